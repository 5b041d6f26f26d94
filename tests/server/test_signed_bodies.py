"""Requests without a key whose body is signed: the web server must hand them on whole."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from django.utils import timezone

from common import standard_webhooks
from projects.models import Project
from tests.delivery.inbound.sending import issue_secret, message, people
from tests.server.web_server import request, web_server

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_auth_service_is_heard_through_the_web_server(project: Project, tmp_path: Path) -> None:
    key = standard_webhooks.parse_secret(issue_secret(project))
    body = orjson.dumps(message("created", 1, email="ada@example.com"))
    signed = standard_webhooks.sign([key], message_id="msg_1", at=timezone.now(), body=body)
    headers: dict[str, Any] = {name.replace("-", "_"): signed[name] for name in signed}
    with web_server(tmp_path / "web.log") as port:
        path = f"/api/v1/events/inbound/{project.pk}"
        answer = request(port, "POST", path, body, **headers)
    assert (answer.status, answer.json()) == (200, {"result": "applied"})
    assert people(project) == [("ada", "ada@example.com", "")]
