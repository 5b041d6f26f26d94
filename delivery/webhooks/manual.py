"""What a person asks for: a test, one delivery again, or many."""

from datetime import datetime

from django.db import transaction

from common import ids
from common.errors import Invalid, NotFound
from delivery.errors import ReplayRunning
from delivery.models import (
    DeliveryKind,
    DeliveryState,
    ReplayState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookReplay,
)
from delivery.models.webhook_endpoint import LEASE_FIELDS
from delivery.webhooks import endpoint_events
from delivery.webhooks.selectors import deliveries, endpoints, replays
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import selectors as event_log


def send_test(
    *, endpoint: WebhookEndpoint, actor: str, at: datetime, reason: str = ""
) -> WebhookDelivery:
    """Send a test event to the endpoint once, even if it is disabled. Raises NotFound."""
    with transaction.atomic():
        row = _lock(endpoint)
        event = endpoint_events.record(EventType.WEBHOOK_ENDPOINT_TESTED, row, at=at)
        delivery = _new(row, DeliveryKind.TEST, event.pk, event.type, 0, "", at)
        _wake(row, at)
        _audit(row, "tested", actor, reason, {"delivery": delivery.pk}, at)
    return delivery


def send_again(
    *, delivery: WebhookDelivery, actor: str, at: datetime, reason: str = ""
) -> WebhookDelivery:
    """Send the event of a delivery again: one that waits is tried now, of one that has ended a new
    delivery is made. Raises NotFound for an endpoint that is deleted, and Invalid for an event that
    is not kept any more."""
    with transaction.atomic():
        row = _lock(delivery.endpoint)
        current = deliveries.lock(project_id=row.project_id, delivery_id=delivery.pk)
        if current is None:
            raise NotFound
        if current.state in deliveries.UNFINISHED:
            if current.state == DeliveryState.WAITING:
                current.due_at = at
                current.save(update_fields=["due_at"])
        else:
            current = _copy(row, current, at)
        _wake(row, at)
        _audit(row, "sent_again", actor, reason, {"delivery": current.pk}, at)
    return current


def replay(
    *,
    endpoint: WebhookEndpoint,
    after: int,
    until: int | None,
    failed_only: bool,
    actor: str,
    at: datetime,
    reason: str = "",
) -> WebhookReplay:
    """Send the events behind one position and up to another again, in order, beside what happens;
    without ``until`` up to now. ``failed_only``: those whose deliveries have failed.

    Raises NotFound, Invalid, and ReplayRunning.
    """
    with transaction.atomic():
        row = _lock(endpoint)
        last = min(row.position, until) if until is not None else row.position
        if after >= last:
            raise Invalid("There are no events in this range yet.", field="after")
        running = replays.of(project=row.project_id, endpoint_id=row.pk)
        if running.filter(state=ReplayState.RUNNING).exists():
            raise ReplayRunning
        created = WebhookReplay(
            project_id=row.project_id,
            endpoint=row,
            since=after,
            until=last,
            failed_only=failed_only,
            position=after,
            actor=actor,
            created_at=at,
        )
        created.save(force_insert=True)
        _wake(row, at)
        _audit(row, "replayed", actor, reason, {"replay": created.pk}, at)
    return created


def cancel_replay(
    *, replay: WebhookReplay, actor: str, at: datetime, reason: str = ""
) -> WebhookReplay:
    """End a replay; what waits of it is canceled. One that has ended stays as it is."""
    with transaction.atomic():
        endpoint = _lock(replay.endpoint)
        row = replays.lock(project_id=replay.project_id, replay_id=replay.pk)
        assert row is not None
        if row.state == ReplayState.RUNNING:
            row.state, row.finished_at = ReplayState.CANCELED, at
            row.save(update_fields=["state", "finished_at"])
        waiting = deliveries.of(project=row.project_id, endpoint_id=row.endpoint_id)
        waiting.filter(replay_id=row.pk, state=DeliveryState.WAITING).update(
            state=DeliveryState.CANCELED, reason="replay_canceled", finished_at=at
        )
        endpoint.end_lease(at=at)
        endpoint.save(update_fields=LEASE_FIELDS)
        _audit(endpoint, "replay_canceled", actor, reason, {"replay": row.pk}, at)
    return row


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    row = endpoints.lock(project_id=endpoint.project_id, endpoint_id=endpoint.pk)
    if row is None:
        raise NotFound
    return row


def _wake(row: WebhookEndpoint, at: datetime) -> None:
    """Make the lane due now, even if it pauses: a person waits for the result."""
    row.breaker_until = None
    row.end_lease(at=at)
    row.save(update_fields=["breaker_until", *LEASE_FIELDS])


def _copy(row: WebhookEndpoint, delivery: WebhookDelivery, at: datetime) -> WebhookDelivery:
    event = event_log.find(project_id=row.project_id, event_id=delivery.event_id)
    if event is None:
        raise Invalid("The event is no longer kept.", field="delivery")
    kind = DeliveryKind.TEST if delivery.kind == DeliveryKind.TEST else DeliveryKind.REPLAY
    return _new(
        row, kind, delivery.event_id, delivery.event_type, event.position, event.customer_id, at
    )


def _new(
    row: WebhookEndpoint,
    kind: DeliveryKind,
    event_id: str,
    event_type: str,
    position: int,
    customer_id: str,
    at: datetime,
) -> WebhookDelivery:
    delivery = WebhookDelivery(
        id=ids.new_id("whd"),
        project_id=row.project_id,
        endpoint=row,
        kind=kind,
        event_id=event_id,
        event_type=event_type,
        position=position,
        customer_id=customer_id,
        state=DeliveryState.WAITING,
        due_at=at,
    )
    delivery.save(force_insert=True)
    return delivery


def _audit(
    row: WebhookEndpoint,
    action: str,
    actor: str,
    reason: str,
    after: dict[str, object],
    at: datetime,
) -> None:
    audit.record(
        actor=actor,
        action=f"webhook_endpoint.{action}",
        subject=row.pk,
        project_id=row.project_id,
        reason=reason,
        after=after,
        at=at,
    )
