"""Events about the endpoints themselves."""

from collections.abc import Mapping
from datetime import datetime

from delivery.models import WebhookEndpoint
from delivery.webhooks.representation import webhook_endpoint
from events.catalog import EventType
from events.log import outbox
from events.models import OutboxEvent


def record(
    event_type: EventType,
    row: WebhookEndpoint,
    *,
    at: datetime,
    before: Mapping[str, object] | None = None,
) -> OutboxEvent:
    """Record an event whose data is the endpoint as it is now. ``before``: the earlier body."""
    body = webhook_endpoint(row, at=at)
    return outbox.record(
        project_id=row.project_id,
        event_type=event_type,
        subject=row.pk,
        data=body,
        previous=outbox.previous_values(before or {}, body),
        at=at,
    )
