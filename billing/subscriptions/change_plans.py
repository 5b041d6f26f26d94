"""What a change of a subscription comes to, before anybody is asked: when it takes effect, what is
billed then, and Stripe's parameters; or why it cannot be."""

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
from billing.subscriptions import subscription_discounts as redeeming
from billing.subscriptions import subscription_items as arrangements
from billing.subscriptions.subscription_items import BilledItemChange, BilledItems
from billing.subscriptions.writes import stripe_id
from common.errors import Invalid
from projects.models import Project

OVERDUE = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})


class ChangeTime(Enum):
    """When a change takes effect."""

    NOW = "now"
    RENEWAL = "renewal"


class Proration(Enum):
    """What becomes of the running period's difference; Stripe's words."""

    INVOICE = "always_invoice"
    LATER = "create_prorations"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a tenant asks for; what is None stays as it is.

    ``price`` and ``quantity`` are of the product that the subscription was found by, ``addons``
    of others: price ids and quantities, 0 takes one away. ``trial_end`` is a time or ``"now"``.
    ``discounts`` are coupon and promotion code ids that replace those there are.
    """

    price: str | None = None
    quantity: int | None = None
    addons: Sequence[tuple[str, int]] = ()
    adds: bool = False
    when: ChangeTime | None = None
    proration: Proration | None = None
    proration_date: datetime | None = None
    discounts: Sequence[str] | None = None
    trial_end: datetime | str | None = None

    @property
    def is_billed(self) -> bool:
        """Whether it is about prices and quantities."""
        return bool(self.price or self.quantity is not None or self.addons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A change that may be made: when, what is billed then, and Stripe's parameters for then."""

    when: ChangeTime
    before: BilledItems
    after: BilledItems
    params: Fields = field(default_factory=dict)


def plan(*, subscription: Subscription, product_id: str, change: Change, at: datetime) -> Planned:
    """What the change comes to. Raises a Conflict or an Invalid for one that cannot be."""
    check_running(subscription, change, at=at)
    before, after = arranged(subscription=subscription, product_id=product_id, change=change)
    if change.is_billed:
        arrangements.check(before, after, currency=subscription.currency)
        refuse_second(subscription=subscription, before=before, after=after)
    when = _when(subscription, change, before, after)
    if when is ChangeTime.RENEWAL:
        check_renewal(subscription, change)
        given = discounts_kept(subscription=subscription, before=before, after=after, at=at)
        params: Fields = {"discounts": given} if given else {}
        return Planned(when=when, before=before, after=after, params=params)
    params = _params(subscription, change, before, after, at)
    return Planned(when=when, before=before, after=after, params=params)


def arranged(
    *, subscription: Subscription, product_id: str, change: Change
) -> tuple[BilledItems, BilledItems]:
    """What the subscription is billed for before the change and after it. Raises an Invalid."""
    before = arrangements.of(subscription)
    return before, arrangements.changed(
        before, _item_changes(subscription.project, product_id, change)
    )


def check_running(subscription: Subscription, change: Change, *, at: datetime) -> None:
    """Raises for a subscription that cannot be changed now, whatever the change."""
    stripe_id(subscription)
    if subscription.status in OVERDUE:
        raise PaymentOverdue("Have the open invoice paid first, on its hosted page.")
    if subscription.is_paused:
        raise SubscriptionNotRunning("It is paused: resume it first.")
    if not subscription.is_entitling:
        raise SubscriptionNotRunning(f"It is {subscription.status}.")
    if isinstance(change.trial_end, datetime) and change.trial_end <= at:
        raise Invalid('Send a time to come, or "now".', field="trial_end")
    if change.trial_end is not None and subscription.status != SubscriptionStatus.TRIALING:
        raise SubscriptionNotRunning("It is not in a trial.")


def _item_changes(project: Project, product_id: str, change: Change) -> list[BilledItemChange]:
    """What each product that is named shall be."""
    ids = [price for price, _ in change.addons] + ([change.price] if change.price else [])
    known = catalog.prices_by_id(project=project, ids=ids)
    item_changes = []
    if change.price or change.quantity is not None:
        price = _known(known, change.price, "price") if change.price else None
        item_changes.append(BilledItemChange(product_id, price, change.quantity))
    for index, (price_id, quantity) in enumerate(change.addons):
        addon = _known(known, price_id, f"addons/{index}/price")
        item_changes.append(BilledItemChange(addon.product_id, addon, quantity, is_new=change.adds))
    return item_changes


def _known(prices: dict[str, Price], price_id: str, field: str) -> Price:
    if price_id not in prices:
        raise Invalid("No price with this id.", field=field)
    return prices[price_id]


def refuse_second(*, subscription: Subscription, before: BilledItems, after: BilledItems) -> None:
    """Raises AlreadySubscribed for a product that another live subscription of theirs has."""
    standing = checkouts.live_subscription(
        customer=subscription.customer,
        products=added(before=before, after=after),
        except_id=subscription.pk,
    )
    if standing is not None:
        raise AlreadySubscribed(
            f"Change or cancel {standing.pk} instead.", subscription=standing.pk
        )


def added(*, before: BilledItems, after: BilledItems) -> set[str]:
    """The products that are new."""
    return {each.product_id for each in after} - {each.product_id for each in before}


def _when(
    subscription: Subscription, change: Change, before: BilledItems, after: BilledItems
) -> ChangeTime:
    if change.when is not None:
        if not change.is_billed:
            raise Invalid("Only with a price, a quantity or add-ons.", field="when")
        return change.when
    takes_effect_now = (
        change.discounts is not None
        or change.trial_end is not None
        or change.proration is not None
        or change.proration_date is not None
        or subscription.status == SubscriptionStatus.TRIALING
    )
    if takes_effect_now or arrangements.is_upgrade(before, after):
        return ChangeTime.NOW
    return ChangeTime.RENEWAL


def check_renewal(subscription: Subscription, change: Change) -> None:
    """Raises for what cannot wait for the next period."""
    for name in ("proration", "proration_date", "discounts", "trial_end"):
        if getattr(change, name) is not None:
            raise Invalid("Only for a change that takes effect now.", field=name)
    if subscription.cancel_at is not None:
        raise SubscriptionEnding("Take its cancellation back first.")


def _params(
    subscription: Subscription,
    change: Change,
    before: BilledItems,
    after: BilledItems,
    at: datetime,
) -> Fields:
    """Stripe's, for an update that a declined card leaves without any effect."""
    params: Fields = {}
    if items := arrangements.items(before, after):
        params |= {"items": items, **_prorated(subscription, change)}
    elif not change.is_billed and (change.proration or change.proration_date):
        raise Invalid("Only with a price, a quantity or add-ons.", field="proration")
    if change.discounts is not None:
        params["discounts"] = redeeming.params(
            subscription=subscription,
            names=change.discounts,
            products=arrangements.products(after),
            at=at,
        )
    elif given := discounts_kept(subscription=subscription, before=before, after=after, at=at):
        params["discounts"] = given
    if isinstance(change.trial_end, datetime):
        params["trial_end"] = int(change.trial_end.timestamp())
    elif change.trial_end is not None:
        params["trial_end"] = change.trial_end
    if params.keys() & {"items", "trial_end"}:
        params["payment_behavior"] = "error_if_incomplete"
    return params


def discounts_kept(
    *, subscription: Subscription, before: BilledItems, after: BilledItems, at: datetime
) -> list[Fields] | None:
    """Stripe's ``discounts`` if those there are have to be given anew for a product that is new."""
    if not added(before=before, after=after):
        return None
    return redeeming.extended(
        subscription=subscription, products=arrangements.products(after), at=at
    )


def _prorated(subscription: Subscription, change: Change) -> Fields:
    proration = change.proration or Proration.INVOICE
    params: Fields = {"proration_behavior": proration.value}
    if change.proration_date is None:
        return params
    if proration is Proration.NONE:
        raise Invalid("Nothing is prorated.", field="proration_date")
    periods = [(item.period_start, item.period_end) for item in subscription.items.all()]
    if not any(start <= change.proration_date < end for start, end in periods):
        raise Invalid("Send a time within the running period.", field="proration_date")
    return {**params, "proration_date": int(change.proration_date.timestamp())}
