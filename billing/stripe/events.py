"""Stripe's list of events: what happened in the last 30 days, in case a webhook was lost."""

from datetime import datetime

from stripe import StripeClient
from stripe.params import EventListParams

from billing.stripe import pagination
from billing.stripe.errors import StripeMalformed, translate
from billing.stripe.fields import Fields, instant, text
from billing.stripe.snapshots import EventSnapshot

PAGE = 100


def page(
    client: StripeClient, *, since: datetime, after: str = ""
) -> tuple[list[EventSnapshot], str]:
    """One page of the events since then, newest first, behind the event ``after``; and the event
    behind which the next page begins, empty when there is none.

    An event that cannot be read is logged and left out. Raises StripeRefused when Stripe has
    forgotten ``after``, StripeMalformed for a list that does not go on.
    """
    params: EventListParams = {"limit": PAGE, "created": {"gte": int(since.timestamp())}}
    if after:
        params["starting_after"] = after
    with translate():
        listed = client.v1.events.list(params)
        objects, has_more = list(listed.data), bool(listed.has_more)
        end = objects[-1].id if has_more else ""
    if has_more and end == after:
        raise StripeMalformed("Stripe repeats a page of a list instead of going on.")
    found = list(pagination.read_page(objects, _event))
    return [each for each in found if isinstance(each, EventSnapshot)], end


def _event(fields: Fields) -> EventSnapshot:
    return EventSnapshot(
        stripe_id=fields["id"],
        type=text(fields.get("type")),
        created_at=instant(fields["created"]),
        payload=fields,
    )
