"""Stripe's list of events: what happened in the last 30 days, in case a webhook was lost."""

from collections.abc import Iterator
from datetime import datetime

from stripe import StripeClient
from stripe.params import EventListParams

from billing.stripe import pagination
from billing.stripe.fields import Fields, instant, text
from billing.stripe.snapshots import EventSnapshot

PAGE = 100


def iterate(client: StripeClient, *, since: datetime) -> Iterator[EventSnapshot]:
    """Every event since then, newest first. One that cannot be read is logged and left out."""
    params: EventListParams = {"limit": PAGE, "created": {"gte": int(since.timestamp())}}
    for event in pagination.iterate(lambda: client.v1.events.list(params), _event):
        if isinstance(event, EventSnapshot):
            yield event


def _event(fields: Fields) -> EventSnapshot:
    return EventSnapshot(
        stripe_id=fields["id"],
        type=text(fields.get("type")),
        created_at=instant(fields["created"]),
        payload=fields,
    )
