"""Subscriptions at Stripe, with their items. The current period is a member of the items."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from stripe import StripeClient

from billing.stripe import discounts, pagination, reads, schedules
from billing.stripe.errors import translate
from billing.stripe.fields import (
    Fields,
    common,
    instant,
    moment,
    page,
    reference,
    text,
)
from billing.stripe.snapshots import (
    SubscriptionItemSnapshot,
    SubscriptionSnapshot,
    UnreadableObject,
)

URL, ITEMS_URL = "/v1/subscriptions", "/v1/subscription_items"
EXPAND = ("discounts", "schedule")


def snapshot(fields: Fields, items: list[Fields]) -> SubscriptionSnapshot:
    periods = tuple(_item(item) for item in items)
    pause = fields["pause_collection"] or {}
    planned = schedules.next_phase(fields["schedule"])
    return SubscriptionSnapshot(
        **common(fields),
        customer_stripe_id=reference(fields["customer"]) or "",
        status=text(fields["status"]),
        currency=text(fields["currency"]),
        started_at=instant(fields["start_date"]),
        anchored_at=moment(fields["billing_cycle_anchor"]),
        trial_ends_at=moment(fields["trial_end"]),
        cancel_at=_cancel_at(fields, periods),
        canceled_at=moment(fields["canceled_at"]),
        ended_at=moment(fields["ended_at"]),
        latest_invoice_stripe_id=reference(fields["latest_invoice"]),
        items=periods,
        pause_behavior=text(pause.get("behavior")),
        resumes_at=moment(pause.get("resumes_at")),
        schedule_stripe_id=reference(fields["schedule"]),
        scheduled_at=moment(planned.get("start_date")),
        scheduled_items=schedules.items(planned),
        discounts=discounts.snapshots(fields["discounts"]),
        automatic_tax=bool(fields["automatic_tax"]["enabled"]),
    )


def retrieve(client: StripeClient, stripe_id: str) -> SubscriptionSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        return complete(client, _read(client, stripe_id))


def retrieve_fields(client: StripeClient, stripe_id: str) -> Fields:
    """Read the subscription from Stripe, as plain fields with all items, discounts and the
    schedule.

    Raises StripeObjectMissing.
    """
    with translate():
        fields = _read(client, stripe_id)
        return {**fields, "items": {"data": _items(client, fields)}}


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[SubscriptionSnapshot | UnreadableObject]:
    """Every subscription of the account, ended ones too, newest first."""
    params = page(after, status="all", expand=[f"data.{name}" for name in EXPAND])
    return pagination.iterate(client, URL, params, partial(complete, client))


def undo_cancellation_params(client: StripeClient, stripe_id: str) -> Fields:
    """Parameters that undo a planned cancellation. Raises StripeObjectMissing.

    A cancellation at a date and one at the end of the period need different parameters.
    """
    with translate():
        if _read(client, stripe_id).get("cancel_at_period_end"):
            return {"cancel_at_period_end": False}
        return {"cancel_at": ""}


def _read(client: StripeClient, stripe_id: str) -> Fields:
    params = {"expand": [*EXPAND]}
    return reads.get_named(client, URL, "subscription", stripe_id, params)


def _item(fields: Fields) -> SubscriptionItemSnapshot:
    price = fields["price"]
    return SubscriptionItemSnapshot(
        stripe_id=fields["id"],
        price_stripe_id=reference(price) or "",
        product_stripe_id=reference(price.get("product")) or "",
        quantity=1 if fields.get("quantity") is None else fields["quantity"],
        period_start=instant(fields["current_period_start"]),
        period_end=instant(fields["current_period_end"]),
    )


def _cancel_at(fields: Fields, items: tuple[SubscriptionItemSnapshot, ...]) -> datetime | None:
    """``cancel_at``, or the end of the items' period for older objects, which say only that."""
    if fields["cancel_at"] is not None:
        return instant(fields["cancel_at"])
    if fields["cancel_at_period_end"] and items:
        return max(item.period_end for item in items)
    return None


def complete(client: StripeClient, fields: Fields) -> SubscriptionSnapshot:
    """The subscription with all of its items, from one that was read with ``EXPAND``."""
    return snapshot(fields, _items(client, fields))


def _items(client: StripeClient, fields: Fields) -> list[Fields]:
    """All items; the first page comes with the subscription."""
    if not fields["items"]["has_more"]:
        first_page: list[Fields] = fields["items"]["data"]
        return first_page
    return pagination.all_of(client, ITEMS_URL, {"subscription": fields["id"]})
