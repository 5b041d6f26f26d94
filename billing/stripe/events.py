"""Stripe's list of events of the last 30 days, for events whose webhook was lost."""

from datetime import datetime

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import StripeMalformed, translate
from billing.stripe.fields import PAGE, Fields, instant, text
from billing.stripe.snapshots import EventSnapshot

URL = "/v1/events"


def page(
    client: StripeClient, *, since: datetime, after: str = ""
) -> tuple[list[EventSnapshot], str]:
    """One page of the events since ``since``, newest first, behind the event ``after``.

    Also returns the id of the event behind which the next page begins; empty on the last page. An
    event that cannot be read is logged and left out. Raises StripeRefused when Stripe no longer has
    the event ``after``, StripeMalformed when Stripe repeats a page.
    """
    params: reads.Params = {"limit": PAGE, "created": {"gte": int(since.timestamp())}}
    if after:
        params["starting_after"] = after
    with translate():
        listed = reads.get(client, URL, params)
        objects, has_more = list(listed["data"]), bool(listed["has_more"])
        end = objects[-1]["id"] if has_more else ""
    if has_more and end == after:
        raise StripeMalformed("Stripe repeats a page of a list instead of going on.")
    events = list(pagination.read_page(objects, _event))
    return [each for each in events if isinstance(each, EventSnapshot)], end


def _event(fields: Fields) -> EventSnapshot:
    return EventSnapshot(
        stripe_id=fields["id"],
        type=text(fields.get("type")),
        created_at=instant(fields["created"]),
        payload=fields,
    )
