"""Create, change and delete endpoints. Every change ends the lease of the lane, so that what is
sent next has the new settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.db import transaction

from common import egress
from common.egress_rules import EgressRefused, port_of
from common.errors import Invalid, NotFound
from delivery.errors import TooManyEndpoints
from delivery.models import (
    DeliveryState,
    DisabledReason,
    EndpointState,
    EventOrder,
    ReplayState,
    WebhookEndpoint,
)
from delivery.models.webhook_endpoint import CURRENT_SCHEMA, SCHEMA_VERSIONS
from delivery.webhooks import endpoint_events, own_headers, secrets
from delivery.webhooks.representation import webhook_endpoint
from delivery.webhooks.selectors import deliveries, endpoints, replays
from events import catalog
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import selectors as event_log
from projects.keys.selectors import projects
from projects.models import Project

MAX_ENDPOINTS = 32
MAX_RATE = 100
SKIPPED, DELETED = "skipped", "endpoint_deleted"
"""Reasons of canceled deliveries."""
_DISABLED = EventType.WEBHOOK_ENDPOINT_DISABLED


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRequest:
    """A new endpoint. ``event_types``: none means all."""

    url: str
    description: str = ""
    event_types: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = CURRENT_SCHEMA
    ordering: str = EventOrder.NONE
    rate: int = 20


def create(
    *, project: Project, request: EndpointRequest, actor: str, at: datetime, reason: str = ""
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, which gets all that happens from now on, and its signing secret, which is
    not readable later. Raises Invalid and TooManyEndpoints."""
    _check_url(request.url)
    headers = own_headers.check(request.headers)
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        if endpoints.of(project).count() >= MAX_ENDPOINTS:
            raise TooManyEndpoints(f"A project has at most {MAX_ENDPOINTS}: delete one first.")
        row = WebhookEndpoint(
            project=project,
            url=request.url,
            description=request.description,
            event_types=_checked_types(request.event_types),
            schema_version=_checked_version(request.schema_version),
            ordering=request.ordering,
            rate=request.rate,
            position=event_log.heads([project.pk]).get(project.pk, 0),
            created_at=at,
            updated_at=at,
        )
        own_headers.seal(row, headers)
        row.save(force_insert=True)
        secret = secrets.add(row, at=at)
        _record(row, "created", EventType.WEBHOOK_ENDPOINT_CREATED, {}, actor, reason, at)
    return row, secret


def change(
    *,
    endpoint: WebhookEndpoint,
    changes: Mapping[str, Any],
    actor: str,
    at: datetime,
    reason: str = "",
) -> WebhookEndpoint:
    """Change settings: ``url``, ``description``, ``event_types``, ``schema_version``, ``headers``,
    ``ordering``, ``rate``, and ``enabled``.

    An endpoint that is enabled again goes on where it stopped; with ``skip_missed`` it leaves out
    what happened meanwhile. Raises Invalid and NotFound.
    """
    changes = _checked(changes)
    with transaction.atomic():
        row = _lock(endpoint)
        before = dict(webhook_endpoint(row, at=at))
        _apply(row, changes, at)
        after = webhook_endpoint(row, at=at)
        if "headers" in changes or before != after:
            is_disabled = before["state"] != row.state == EndpointState.DISABLED
            event_type = _DISABLED if is_disabled else EventType.WEBHOOK_ENDPOINT_UPDATED
            row.updated_at = at
            row.end_lease(at=at)
            row.save()
            _record(row, "changed", event_type, before, actor, reason, at)
    return row


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes in the form that is stored. Raises Invalid."""
    checked = dict(changes)
    if "url" in checked:
        _check_url(checked["url"])
    if "headers" in checked:
        checked["headers"] = own_headers.check(checked["headers"])
    if "event_types" in checked:
        checked["event_types"] = _checked_types(checked["event_types"])
    if "schema_version" in checked:
        _checked_version(checked["schema_version"])
    return checked


def _apply(row: WebhookEndpoint, changes: Mapping[str, Any], at: datetime) -> None:
    for name in ("url", "description", "event_types", "schema_version", "rate"):
        setattr(row, name, changes.get(name, getattr(row, name)))
    if "headers" in changes:
        own_headers.seal(row, changes["headers"])
    if changes.get("ordering", row.ordering) != row.ordering:
        row.ordering = changes["ordering"]
        _free_followers(row, at)
    if changes.get("enabled", row.is_enabled) != row.is_enabled:
        if changes["enabled"]:
            _enable(row, at)
        else:
            _disable(row, at)
    if changes.get("skip_missed"):
        _skip(row, at)


def delete(*, endpoint: WebhookEndpoint, actor: str, at: datetime, reason: str = "") -> None:
    """Send nothing more. What is waiting is canceled; the history of deliveries stays for as long
    as any other. Raises NotFound."""
    with transaction.atomic():
        row = _lock(endpoint)
        before = dict(webhook_endpoint(row, at=at))
        row.deleted_at = row.updated_at = at
        row.end_lease(at=at)
        row.save()
        row.secrets.all().delete()
        _cancel_waiting(row, DELETED, at)
        replays.of(project=row.project_id, endpoint_id=row.pk).filter(
            state=ReplayState.RUNNING
        ).update(state=ReplayState.CANCELED, finished_at=at)
        _record(row, "deleted", EventType.WEBHOOK_ENDPOINT_DELETED, before, actor, reason, at)


def rotate_secret(
    *, endpoint: WebhookEndpoint, overlap_hours: int, actor: str, at: datetime, reason: str = ""
) -> str:
    """A new signing secret. The old one signs too for another ``overlap_hours``. Raises
    NotFound."""
    with transaction.atomic():
        row = _lock(endpoint)
        secret = secrets.rotate(row, overlap_hours=overlap_hours, at=at)
        row.updated_at = at
        row.end_lease(at=at)
        row.save()
        _record(row, "secret", EventType.WEBHOOK_ENDPOINT_UPDATED, {}, actor, reason, at)
    return secret


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    row = endpoints.lock(project_id=endpoint.project_id, endpoint_id=endpoint.pk)
    if row is None:
        raise NotFound
    return row


def _enable(row: WebhookEndpoint, at: datetime) -> None:
    row.state, row.disabled_reason, row.disabled_at = EndpointState.ENABLED, "", None
    row.failures = row.pauses = row.warnings = 0
    row.failing_since = row.breaker_until = row.address_refused_at = None


def _disable(row: WebhookEndpoint, at: datetime) -> None:
    row.state, row.disabled_reason = EndpointState.DISABLED, DisabledReason.MANUAL
    row.disabled_at = at


def _skip(row: WebhookEndpoint, at: datetime) -> None:
    """Leave out all events up to now."""
    row.position = max(row.position, event_log.heads([row.project_id]).get(row.project_id, 0))
    _cancel_waiting(row, SKIPPED, at)


def _cancel_waiting(row: WebhookEndpoint, reason: str, at: datetime) -> None:
    rows = deliveries.of(project=row.project_id, endpoint_id=row.pk)
    rows.filter(state__in=deliveries.UNFINISHED).update(
        state=DeliveryState.CANCELED, reason=reason, finished_at=at
    )


def _free_followers(row: WebhookEndpoint, at: datetime) -> None:
    """Deliveries that wait for an earlier one of their customer wait no longer."""
    if row.ordering == EventOrder.NONE:
        rows = deliveries.of(project=row.project_id, endpoint_id=row.pk)
        rows.filter(state=DeliveryState.BEHIND).update(state=DeliveryState.WAITING, due_at=at)


def _check_url(url: str) -> None:
    """Raises Invalid for a URL to which nothing may be sent. Its name is resolved only when
    something is sent, each time anew."""
    try:
        parts = egress.check(url)
    except EgressRefused as refusal:
        raise Invalid(str(refusal), field="url") from refusal
    if _origin(parts) == _origin(urlsplit(settings.PUBLIC_URL)):
        message = "This is our own address: a request that causes an event would never end."
        raise Invalid(message, field="url")


def _origin(parts: SplitResult) -> tuple[str, int]:
    return (parts.hostname or "").rstrip("."), port_of(parts)


def _checked_types(names: Sequence[str]) -> list[str]:
    """The filter without repetitions. Raises Invalid for a name that fits no event type."""
    for name in names:
        if not catalog.matching(name):
            raise Invalid(
                f"There is no event type {name[:64]!r}: see docs/events.md.", field="event_types"
            )
    return list(dict.fromkeys(names))


def _checked_version(version: int) -> int:
    """Raises Invalid for a version of the events' shapes that there is not."""
    if version not in SCHEMA_VERSIONS:
        versions = ", ".join(map(str, SCHEMA_VERSIONS))
        raise Invalid(f"There is version {versions} of events.", field="schema_version")
    return version


def _record(
    row: WebhookEndpoint,
    action: str,
    event_type: EventType,
    before: Mapping[str, object],
    actor: str,
    reason: str,
    at: datetime,
) -> None:
    """Record the event and the audit entry."""
    after = dict(webhook_endpoint(row, at=at))
    differing = [name for name in after if before.get(name) != after[name]]
    endpoint_events.record(event_type, row, at=at, before=before)
    audit.record(
        actor=actor,
        action=f"webhook_endpoint.{action}",
        subject=row.pk,
        project_id=row.project_id,
        reason=reason,
        before={name: before[name] for name in differing if name in before},
        after={name: after[name] for name in differing},
        at=at,
    )
