"""Endpoints, deliveries, attempts and replays as JSON."""

from datetime import datetime
from typing import Annotated, TypedDict

from common.bodies import Time
from common.times import rfc3339
from delivery.models import (
    CheckGrade,
    CheckState,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    EndpointState,
    EventOrder,
    ReplayState,
    WebhookAttempt,
    WebhookCheck,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookReplay,
)
from delivery.webhooks import own_headers


class WebhookEndpointBody(TypedDict):
    """An address to which your events are sent, signed as Standard Webhooks."""

    id: str
    url: str
    description: str
    event_types: Annotated[list[str], "Names, or `payment.*` for all of a noun. Empty: all types."]
    schema_version: Annotated[int, "Version of the events' shapes, pinned."]
    headers: Annotated[dict[str, str], "Your own headers; their values are not shown again."]
    ordering: Annotated[str, EventOrder]
    rate: Annotated[int, "Most deliveries in a second."]
    state: Annotated[str, EndpointState]
    disabled_reason: Annotated[str, DisabledReason] | None
    disabled_at: Time | None
    position: Annotated[int, "Position of the last event for which a delivery was created."]
    last_success_at: Time | None
    failing_since: Annotated[Time | None, "Since when no delivery has succeeded."]
    failures: Annotated[int, "Failed attempts in a row."]
    last_problem: Annotated[str | None, "Why the last failed attempt failed."]
    next_attempt_at: Annotated[
        Time | None, "Set while nothing is sent because the last attempts have failed."
    ]
    certificate_expires_at: Annotated[Time | None, "Of the receiver's certificate, as seen last."]
    created_at: Time


class WebhookDeliveryBody(TypedDict):
    """One event for one endpoint."""

    id: str
    endpoint: str
    event: str
    type: str
    position: int
    kind: Annotated[str, DeliveryKind]
    replay: str | None
    state: Annotated[str, DeliveryState]
    reason: Annotated[str | None, "Why it failed or was canceled, as a code."]
    attempts: int
    due_at: Annotated[Time | None, "When it is tried next."]
    first_attempt_at: Time | None
    finished_at: Time | None
    created_at: Time


class WebhookAttemptBody(TypedDict):
    """One request of a delivery, and what came back."""

    id: str
    number: int
    sent_at: Time
    url: str
    address: Annotated[str | None, "Where the connection went to."]
    status: Annotated[int | None, "Null if no response came."]
    fault: Annotated[str | None, "What went wrong, as a code."]
    sentence: Annotated[str | None, "What went wrong."]
    connection_reused: bool
    milliseconds: Annotated[
        dict[str, int | None],
        "`name` (lookup), `connect`, `tls`, `first_byte` and `total`; null for what was not done.",
    ]
    request_headers: dict[str, str]
    request_bytes: int
    request_digest: Annotated[str, "First 16 hexadecimal digits of the body's SHA-256."]
    response_headers: dict[str, str]
    response_body: Annotated[str, "The first 1,024 bytes, as text."]
    response_cut: Annotated[bool, "Whether the rest of the response was not read."]


class WebhookReplayBody(TypedDict):
    """Events that are sent again to an endpoint."""

    id: str
    endpoint: str
    after: Annotated[int, "Events behind this position."]
    until: Annotated[int, "The last position."]
    failed_only: bool
    position: Annotated[int, "How far deliveries have been created."]
    deliveries: Annotated[int, "How many have been created."]
    state: Annotated[str, ReplayState]
    created_at: Time
    finished_at: Time | None


class CheckCaseBody(TypedDict):
    """What came back for one case of a check."""

    case: str
    expected: Annotated[str, "`2xx` or `4xx`."]
    passed: bool
    status: int | None
    fault: str
    milliseconds: int | None


class WebhookCheckBody(TypedDict):
    """A conformance check of an endpoint."""

    id: str
    endpoint: str
    state: Annotated[str, CheckState]
    grade: Annotated[str, CheckGrade] | None
    results: list[CheckCaseBody]
    created_at: Time
    finished_at: Time | None


def webhook_check(row: WebhookCheck) -> WebhookCheckBody:
    return {
        "id": row.pk,
        "endpoint": row.endpoint_id,
        "state": row.state,
        "grade": row.grade or None,
        "results": row.results,
        "created_at": rfc3339(row.created_at),
        "finished_at": rfc3339(row.finished_at),
    }


def webhook_endpoint(row: WebhookEndpoint, *, at: datetime) -> WebhookEndpointBody:
    is_paused = row.breaker_until is not None and row.breaker_until > at
    return {
        "id": row.pk,
        "url": row.url,
        "description": row.description,
        "event_types": row.event_types,
        "schema_version": row.schema_version,
        "headers": own_headers.masked(row),
        "ordering": row.ordering,
        "rate": row.rate,
        "state": row.state,
        "disabled_reason": row.disabled_reason or None,
        "disabled_at": rfc3339(row.disabled_at),
        "position": row.position,
        "last_success_at": rfc3339(row.last_success_at),
        "failing_since": rfc3339(row.failing_since),
        "failures": row.failures,
        "last_problem": row.last_problem or None,
        "next_attempt_at": rfc3339(row.breaker_until) if is_paused else None,
        "certificate_expires_at": rfc3339(row.certificate_expires_at),
        "created_at": rfc3339(row.created_at),
    }


def webhook_delivery(row: WebhookDelivery) -> WebhookDeliveryBody:
    is_waiting = row.state == DeliveryState.WAITING
    return {
        "id": row.pk,
        "endpoint": row.endpoint_id,
        "event": row.event_id,
        "type": row.event_type,
        "position": row.position,
        "kind": row.kind,
        "replay": row.replay_id or None,
        "state": row.state,
        "reason": row.reason or None,
        "attempts": row.attempts,
        "due_at": rfc3339(row.due_at) if is_waiting else None,
        "first_attempt_at": rfc3339(row.first_attempt_at),
        "finished_at": rfc3339(row.finished_at),
        "created_at": rfc3339(row.created_at),
    }


def webhook_attempt(row: WebhookAttempt) -> WebhookAttemptBody:
    return {
        "id": row.pk,
        "number": row.number,
        "sent_at": rfc3339(row.sent_at),
        "url": row.url,
        "address": row.address or None,
        "status": row.status,
        "fault": row.fault or None,
        "sentence": row.sentence or None,
        "connection_reused": row.is_reused,
        "milliseconds": {name: _rounded(value) for name, value in row.phases.items()},
        "request_headers": row.request_headers,
        "request_bytes": row.body_bytes,
        "request_digest": row.body_digest,
        "response_headers": row.response_headers,
        "response_body": response_text(row),
        "response_cut": row.is_cut,
    }


def _rounded(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def response_text(row: WebhookAttempt) -> str:
    """The kept bytes of the response as text; what is not UTF-8 is replaced."""
    return bytes(row.response_body).decode(errors="replace").replace("\0", "�")


def webhook_replay(row: WebhookReplay) -> WebhookReplayBody:
    return {
        "id": row.pk,
        "endpoint": row.endpoint_id,
        "after": row.since,
        "until": row.until,
        "failed_only": row.failed_only,
        "position": row.position,
        "deliveries": row.deliveries,
        "state": row.state,
        "created_at": rfc3339(row.created_at),
        "finished_at": rfc3339(row.finished_at),
    }
