"""Plan a change of a subscription: when it takes effect, the items after it, Stripe's parameters.

Raises what is wrong with the change before any request to Stripe is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from billing.catalog.selectors import catalog
from billing.checkout.selectors import checkouts
from billing.errors import (
    AlreadySubscribed,
    PaymentOverdue,
    SubscriptionEnding,
    SubscriptionNotRunning,
)
from billing.models import Price, Subscription
from billing.models.subscription import SubscriptionStatus
from billing.stripe.fields import Fields
from billing.subscriptions import subscription_discounts, subscription_items
from billing.subscriptions.subscription_items import BilledItemChange, BilledItems
from billing.subscriptions.writes import require_stripe_id
from common.errors import Invalid
from projects.models import Project

OVERDUE = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})
"""Statuses of a subscription with an open invoice that was not paid in time."""


class ChangeTime(Enum):
    """When a change takes effect."""

    NOW = "now"
    RENEWAL = "renewal"


class Proration(Enum):
    """How the rest of the running period is prorated: Stripe's ``proration_behavior``."""

    INVOICE = "always_invoice"
    LATER = "create_prorations"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change that a tenant requests. A field that is None leaves its value unchanged.

    ``price`` (a price id) and ``quantity`` are of the product in the request's path; ``addons``
    are price ids and quantities of other products, quantity 0 removes one. With ``adds_products``
    add-ons that the subscription already has are refused. ``trial_end`` is a time or ``"now"``.
    ``discounts`` are coupon and promotion code ids that replace all present discounts.
    """

    price: str | None = None
    quantity: int | None = None
    addons: Sequence[tuple[str, int]] = ()
    adds_products: bool = False
    when: ChangeTime | None = None
    proration: Proration | None = None
    proration_date: datetime | None = None
    discounts: Sequence[str] | None = None
    trial_end: datetime | str | None = None

    @property
    def is_billed(self) -> bool:
        """Whether the change concerns prices or quantities."""
        return bool(self.price or self.quantity is not None or self.addons)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """A valid change: when it takes effect, the items before and after, Stripe's parameters."""

    when: ChangeTime
    before: BilledItems
    after: BilledItems
    params: Fields = field(default_factory=dict)


def plan_change(
    *, subscription: Subscription, product_id: str, change: Change, at: datetime
) -> ChangePlan:
    """Plan the change. Raises subclasses of Conflict and Invalid for one that is impossible."""
    check_running(subscription, change, at=at)
    before, after = items_before_and_after(
        subscription=subscription, product_id=product_id, change=change
    )
    if change.is_billed:
        subscription_items.check_items(before, after, currency=subscription.currency)
        check_not_subscribed(subscription=subscription, before=before, after=after)
    when = _choose_time(subscription, change, before, after)
    if when is ChangeTime.RENEWAL:
        check_renewal(subscription, change)
        discounts = extend_discounts(subscription=subscription, before=before, after=after, at=at)
        params: Fields = {"discounts": discounts} if discounts else {}
        return ChangePlan(when=when, before=before, after=after, params=params)
    params = _build_update_params(subscription, change, before, after, at)
    return ChangePlan(when=when, before=before, after=after, params=params)


def items_before_and_after(
    *, subscription: Subscription, product_id: str, change: Change
) -> tuple[BilledItems, BilledItems]:
    """Return the subscription's items before the change and after it.

    Raises AlreadySubscribed, NotFound, Invalid.
    """
    before = subscription_items.read_items(subscription)
    return before, subscription_items.apply_changes(
        before, _item_changes(subscription.project, product_id, change)
    )


def check_running(subscription: Subscription, change: Change, *, at: datetime) -> None:
    """Check that the subscription can be changed now.

    Raises SubscriptionEnded, PaymentOverdue, SubscriptionNotRunning, and Invalid for a trial end in
    the past.
    """
    require_stripe_id(subscription)
    if subscription.status in OVERDUE:
        raise PaymentOverdue("Let the user pay the open invoice first, on its hosted page.")
    if subscription.is_paused:
        raise SubscriptionNotRunning("The subscription is paused. Resume it first.")
    if not subscription.is_entitling:
        raise SubscriptionNotRunning(f"The subscription is {subscription.status}.")
    if isinstance(change.trial_end, datetime) and change.trial_end <= at:
        raise Invalid('Send a future time, or "now".', field="trial_end")
    if change.trial_end is not None and subscription.status != SubscriptionStatus.TRIALING:
        raise SubscriptionNotRunning("The subscription is not in a trial.")


def _item_changes(project: Project, product_id: str, change: Change) -> list[BilledItemChange]:
    """Return the change of each product that the request names. Raises Invalid."""
    ids = [price for price, _ in change.addons] + ([change.price] if change.price else [])
    prices = catalog.prices_by_id(project=project, ids=ids)
    item_changes = []
    if change.price or change.quantity is not None:
        price = _get_price(prices, change.price, "price") if change.price else None
        item_changes.append(BilledItemChange(product_id, price, change.quantity))
    for index, (price_id, quantity) in enumerate(change.addons):
        addon = _get_price(prices, price_id, f"addons/{index}/price")
        item_changes.append(
            BilledItemChange(addon.product_id, addon, quantity, is_new=change.adds_products)
        )
    return item_changes


def _get_price(prices: dict[str, Price], price_id: str, field: str) -> Price:
    if price_id not in prices:
        raise Invalid("No price with this id.", field=field)
    return prices[price_id]


def check_not_subscribed(
    *, subscription: Subscription, before: BilledItems, after: BilledItems
) -> None:
    """Raise AlreadySubscribed if the customer has another live subscription to a new product."""
    other = checkouts.find_live_subscription(
        customer=subscription.customer,
        products=added_products(before=before, after=after),
        except_id=subscription.pk,
    )
    if other is not None:
        raise AlreadySubscribed(f"Change or cancel {other.pk} instead.", subscription=other.pk)


def added_products(*, before: BilledItems, after: BilledItems) -> set[str]:
    """Return the ids of the products that the change adds."""
    return {item.product_id for item in after} - {item.product_id for item in before}


def _choose_time(
    subscription: Subscription, change: Change, before: BilledItems, after: BilledItems
) -> ChangeTime:
    """Return the requested time, else now for an upgrade and the renewal for a downgrade."""
    if change.when is not None:
        if not change.is_billed:
            raise Invalid("Send it only with a price, a quantity or add-ons.", field="when")
        return change.when
    takes_effect_now = (
        change.discounts is not None
        or change.trial_end is not None
        or change.proration is not None
        or change.proration_date is not None
        or subscription.status == SubscriptionStatus.TRIALING
    )
    if takes_effect_now or subscription_items.is_upgrade(before, after):
        return ChangeTime.NOW
    return ChangeTime.RENEWAL


def check_renewal(subscription: Subscription, change: Change) -> None:
    """Check that the change can wait for the renewal. Raises Invalid, SubscriptionEnding."""
    for name in ("proration", "proration_date", "discounts", "trial_end"):
        if getattr(change, name) is not None:
            raise Invalid("Send it only for a change that takes effect now.", field=name)
    if subscription.cancel_at is not None:
        raise SubscriptionEnding("Remove its scheduled cancellation first.")


def _build_update_params(
    subscription: Subscription,
    change: Change,
    before: BilledItems,
    after: BilledItems,
    at: datetime,
) -> Fields:
    """Build Stripe's parameters of an update. A declined card undoes the update as a whole."""
    params: Fields = {}
    if items := subscription_items.build_item_params(before, after):
        params |= {"items": items, **_proration_params(subscription, change)}
    elif not change.is_billed and (change.proration or change.proration_date):
        raise Invalid("Send it only with a price, a quantity or add-ons.", field="proration")
    if change.discounts is not None:
        params["discounts"] = subscription_discounts.build_params(
            subscription=subscription,
            names=change.discounts,
            products=subscription_items.product_stripe_ids(after),
            at=at,
        )
    elif extended := extend_discounts(subscription=subscription, before=before, after=after, at=at):
        params["discounts"] = extended
    if isinstance(change.trial_end, datetime):
        params["trial_end"] = int(change.trial_end.timestamp())
    elif change.trial_end is not None:
        params["trial_end"] = change.trial_end
    if params.keys() & {"items", "trial_end"}:
        params["payment_behavior"] = "error_if_incomplete"
    return params


def extend_discounts(
    *, subscription: Subscription, before: BilledItems, after: BilledItems, at: datetime
) -> list[Fields] | None:
    """Return Stripe's ``discounts`` if present ones must be renewed to cover a new product."""
    if not added_products(before=before, after=after):
        return None
    return subscription_discounts.extend_to_products(
        subscription=subscription, products=subscription_items.product_stripe_ids(after), at=at
    )


def _proration_params(subscription: Subscription, change: Change) -> Fields:
    proration = change.proration or Proration.INVOICE
    params: Fields = {"proration_behavior": proration.value}
    if change.proration_date is None:
        return params
    if proration is Proration.NONE:
        raise Invalid(
            "Leave it out: with proration none nothing is prorated.", field="proration_date"
        )
    periods = [(item.period_start, item.period_end) for item in subscription.items.all()]
    if not any(start <= change.proration_date < end for start, end in periods):
        raise Invalid("Send a time within the running period.", field="proration_date")
    return {**params, "proration_date": int(change.proration_date.timestamp())}
