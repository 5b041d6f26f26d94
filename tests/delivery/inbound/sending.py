"""Messages as an auth service writes them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.test import Client
from django.utils import timezone

from common import standard_webhooks
from common.ids import new_id
from delivery.inbound import inbound_settings, signing_secrets
from events.models import OutboxEvent
from projects.models import Customer, Project

ADDRESS = "/api/v1/events/inbound"


def message(event: str, version: Any, user_id: Any = "ada", **details: Any) -> dict[str, Any]:
    """``user.created`` and so on, with members of ``data``."""
    return {
        "type": f"user.{event}",
        "timestamp": "2026-11-23T12:00:00Z",
        "data": {"user_id": user_id, "version": version, **details},
    }


class AuthService:
    """Sends signed messages of one project; each has an id of its own unless one is given."""

    def __init__(self, project: Project, secret: str = "") -> None:
        self.project = project
        self.secret = secret or issue_secret(project)
        self._client = Client(raise_request_exception=False)

    def send(
        self,
        body: Any,
        *,
        message_id: str = "",
        at: datetime | None = None,
        path: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = standard_webhooks.sign(
            [standard_webhooks.parse_secret(self.secret)],
            message_id=message_id or new_id("msg"),
            at=at or timezone.now(),
            body=raw,
        )
        return self._client.post(
            path or f"{ADDRESS}/{self.project.pk}",
            raw,
            content_type="application/json",
            headers={**signed, **(headers or {})},
        )

    def tell(self, event: str, version: Any, user_id: Any = "ada", **details: Any) -> str:
        """The result of a message that is accepted."""
        answer = self.send(message(event, version, user_id, **details))
        assert answer.status_code == 200, answer.content
        return str(answer.json()["result"])


def issue_secret(project: Project) -> str:
    return signing_secrets.rotate(project=project, actor="command", at=timezone.now())[1]


def people(project: Project) -> list[tuple[str, str, str]]:
    """User, address and name of the project's customers that are not erased."""
    rows = Customer.objects.for_project(project).filter(deleted_at__isnull=True)
    return list(rows.order_by("user_id").values_list("user_id", "email", "name"))


def event_types(project: Project) -> list[str]:
    rows = OutboxEvent.objects.for_project(project).order_by("pk")
    return [row.type for row in rows]


def addressed(project: Project | str, message_id: str, *args: Any, **details: Any) -> str:
    """A message of a shared stream, as JSON."""
    name = project if isinstance(project, str) else project.pk
    return json.dumps({"id": message_id, "project": name, **message(*args, **details)})


def let_follow(*projects: Project) -> None:
    """Let these projects follow the shared streams, as operators do."""
    for project in projects:
        inbound_settings.configure(
            project=project,
            changes={"follows_stream": True},
            actor="command",
            at=timezone.now(),
        )
