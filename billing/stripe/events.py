"""Stripe's list of events: what happened in the last 30 days, in case a webhook was lost."""

from collections.abc import Iterator
from datetime import datetime

from stripe import StripeClient
from stripe.params import EventListParams

from billing.stripe.errors import translate
from billing.stripe.fields import instant, plain, text
from billing.stripe.snapshots import EventSnapshot

PAGE = 100


def iterate(client: StripeClient, *, since: datetime) -> Iterator[EventSnapshot]:
    """Every event since then, newest first."""
    params: EventListParams = {"limit": PAGE, "created": {"gte": int(since.timestamp())}}
    with translate():
        for event in client.v1.events.list(params).auto_paging_iter():
            fields = plain(event)
            yield EventSnapshot(
                stripe_id=fields["id"],
                type=text(fields.get("type")),
                created_at=instant(fields["created"]),
                payload=fields,
            )
