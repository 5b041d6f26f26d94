"""Subscriptions with their items."""

from collections.abc import Iterable
from typing import Annotated, TypedDict

from billing.models import Subscription, SubscriptionItem
from billing.representation import duplicates
from common.bodies import Time
from common.times import rfc3339


class SubscriptionItemBody(TypedDict):
    id: Annotated[str | None, "Null in a preview of a new item."]
    price: Annotated[str | None, "Null if the price is not in the catalog."]
    product: str | None
    quantity: int
    period_start: Time
    period_end: Time
    stripe_id: str | None


class ScheduledItemBody(TypedDict):
    price: str | None
    product: str | None
    quantity: int


class ScheduledChangeBody(TypedDict):
    """The items of the subscription from a later date on."""

    at: Time
    items: list[ScheduledItemBody]


class PauseBody(TypedDict):
    """``behavior`` in Stripe's words: ``void`` removes access, the others keep it."""

    behavior: str
    resumes_at: Time | None


class DiscountBody(TypedDict):
    coupon: Annotated[str | None, "Null if the coupon is not the project's."]
    promotion_code: str | None
    ends_at: Time | None
    stripe_id: str


class SubscriptionBody(TypedDict):
    """A subscription, mirrored from Stripe."""

    id: str
    status: Annotated[
        str,
        "Stripe's: incomplete, incomplete_expired, trialing, active, past_due, unpaid, "
        "paused or canceled; Stripe may add others.",
    ]
    customer: str
    user_id: str
    items: list[SubscriptionItemBody]
    started_at: Time
    trial_ends_at: Time | None
    cancel_at: Annotated[Time | None, "When it will end."]
    canceled_at: Annotated[Time | None, "When the cancellation was requested."]
    ended_at: Time | None
    currency: str
    scheduled_change: ScheduledChangeBody | None
    pause: Annotated[PauseBody | None, "Null unless collection is paused."]
    discounts: list[DiscountBody]
    automatic_tax: bool
    duplicate_of: Annotated[
        str | None, "An older live subscription of the user to one of the same products."
    ]
    metadata: dict[str, str]
    stripe_id: str
    created_at: Time


def subscription(
    row: Subscription, items: Iterable[SubscriptionItem] | None = None
) -> SubscriptionBody:
    """``items`` are those of the row with their prices, if they have been read already."""
    return {
        "id": row.pk,
        "status": row.status,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "items": [
            _subscription_item(each) for each in (row.items.all() if items is None else items)
        ],
        "started_at": rfc3339(row.started_at),
        "trial_ends_at": rfc3339(row.trial_ends_at),
        "cancel_at": rfc3339(row.cancel_at),
        "canceled_at": rfc3339(row.canceled_at),
        "ended_at": rfc3339(row.ended_at),
        "currency": row.currency,
        "scheduled_change": _scheduled_change(row),
        "pause": _pause(row),
        "discounts": row.discounts,
        "automatic_tax": row.automatic_tax,
        "duplicate_of": duplicates.find_original(subscription=row),
        "metadata": row.metadata,
        "stripe_id": row.id_at_stripe,
        "created_at": rfc3339(row.created_at),
    }


def _scheduled_change(row: Subscription) -> ScheduledChangeBody | None:
    if row.scheduled_at is None:
        return None
    items: list[ScheduledItemBody] = [
        {"price": item["price"], "product": item["product"], "quantity": item["quantity"]}
        for item in row.scheduled_items
    ]
    return {"at": rfc3339(row.scheduled_at), "items": items}


def _pause(row: Subscription) -> PauseBody | None:
    if not row.pause_behavior:
        return None
    return {"behavior": row.pause_behavior, "resumes_at": rfc3339(row.resumes_at)}


def _subscription_item(row: SubscriptionItem) -> SubscriptionItemBody:
    return {
        "id": row.pk,
        "price": row.price_id,
        "product": row.price.product_id if row.price else None,
        "quantity": row.quantity,
        "period_start": rfc3339(row.period_start),
        "period_end": rfc3339(row.period_end),
        "stripe_id": row.stripe_id,
    }
