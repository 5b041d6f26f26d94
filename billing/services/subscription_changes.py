"""Another price, quantity, add-on, discount or trial end for a running subscription.

What costs more takes effect at once, what costs less with the next period, unless the tenant says
otherwise. At once is one request to Stripe that a declined card undoes as a whole; at renewal is a
schedule of two phases (``billing.services.scheduling``), which every change at once sets aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from billing.errors import (
    AlreadySubscribed,
    PaymentOverdue,
    SubscriptionEnding,
    SubscriptionNotRunning,
)
from billing.models import Price, StripeIntent, Subscription
from billing.models.subscription import LIVE, SubscriptionStatus
from billing.selectors import catalog, checkouts
from billing.selectors import subscriptions as stored
from billing.services import arrangements, intents, pages, redeeming, scheduling
from billing.services.arrangements import Arrangement, Wanted
from billing.services.subscription_writes import UPDATE, ask, read_again, stripe_id
from billing.stripe.errors import CardDeclined, StripeRefused
from billing.stripe.fields import Fields
from common.errors import Invalid, NotFound
from events.services import audit
from projects.models import Project

OVERDUE = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})


class When(Enum):
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
    when: When | None = None
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
    """A change that may be made: when, what is billed then, and Stripe's parameters for now."""

    when: When
    before: Arrangement
    after: Arrangement
    params: Fields = field(default_factory=dict)


def plan(*, subscription: Subscription, product_id: str, change: Change, at: datetime) -> Planned:
    """What the change comes to. Raises a Conflict or an Invalid for one that cannot be."""
    _check_running(subscription, change, at)
    before = arrangements.of(subscription)
    after = arrangements.changed(before, _wishes(subscription.project, product_id, change))
    if change.is_billed:
        arrangements.check(before, after, currency=subscription.currency)
        _refuse_second(subscription, before, after)
    when = _when(subscription, change, before, after)
    if when is When.RENEWAL:
        _check_renewal(subscription, change)
        return Planned(when=when, before=before, after=after)
    params = _params(subscription, change, before, after)
    return Planned(when=when, before=before, after=after, params=params)


def make(
    *,
    subscription: Subscription,
    product_id: str,
    change: Change,
    request: str,
    actor: str,
    at: datetime,
) -> Subscription:
    """Carry the change out, at most once for this ``request``, and store what Stripe then says.

    Raises as :func:`plan`; CardDeclined when what is due now cannot be paid: then nothing has
    changed. After StripeUnavailable the same request finishes what this one began.
    """
    begun = _begun(subscription, request)
    if begun is not None:
        return _now(subscription, begun.params, request=request, at=at)
    planned = plan(subscription=subscription, product_id=product_id, change=change, at=at)
    _make_way(subscription, planned, at)
    _record(subscription, change, planned, actor=actor, at=at)
    if planned.when is When.RENEWAL:
        return scheduling.at_renewal(
            subscription=subscription, after=planned.after, request=request, at=at
        )
    return _now(subscription, planned.params, request=request, at=at)


def find(*, project: Project, user_id: str, product_id: str, request: str) -> Subscription:
    """The user's subscription to this product, or the one that an earlier try of this request has
    changed to another product. Raises NotFound."""
    try:
        row = stored.of_product(project=project, user_id=user_id, product=product_id)
    except NotFound:
        others = stored.listing(project=project, user_id=user_id).filter(status__in=LIVE)
        changed = next((each for each in others if _begun(each, request)), None)
        if changed is None:
            raise
        return changed
    return row


def _begun(subscription: Subscription, request: str) -> StripeIntent | None:
    """What an earlier try of the same request has asked Stripe for."""
    return intents.begun(
        project_id=subscription.project_id,
        operation=UPDATE,
        target=subscription.stripe_id or "",
        request=request,
    )


def _now(subscription: Subscription, params: Fields, *, request: str, at: datetime) -> Subscription:
    """A schedule makes way first, and is made again when the bank says no."""
    released = scheduling.release(subscription=subscription, request=request, at=at)
    try:
        ask(subscription=subscription, operation=UPDATE, params=params, request=request, at=at)
    except (CardDeclined, StripeRefused):
        scheduling.restore(subscription=subscription, released=released, request=request, at=at)
        read_again(subscription, at=at)
        raise
    return read_again(subscription, at=at)


def _check_running(subscription: Subscription, change: Change, at: datetime) -> None:
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


def _wishes(project: Project, product_id: str, change: Change) -> list[Wanted]:
    """What each product that is named shall be."""
    ids = [price for price, _ in change.addons] + ([change.price] if change.price else [])
    known = catalog.prices_by_id(project=project, ids=ids)
    wishes = []
    if change.price or change.quantity is not None:
        price = _known(known, change.price, "price") if change.price else None
        wishes.append(Wanted(product_id, price, change.quantity))
    for index, (price_id, quantity) in enumerate(change.addons):
        addon = _known(known, price_id, f"addons/{index}/price")
        wishes.append(Wanted(addon.product_id, addon, quantity, is_new=change.adds))
    return wishes


def _known(prices: dict[str, Price], price_id: str, field: str) -> Price:
    if price_id not in prices:
        raise Invalid("No price with this id.", field=field)
    return prices[price_id]


def _refuse_second(subscription: Subscription, before: Arrangement, after: Arrangement) -> None:
    standing = checkouts.live_subscription(
        customer=subscription.customer, products=_added(before, after), besides=subscription.pk
    )
    if standing is not None:
        raise AlreadySubscribed(
            f"Change or cancel {standing.pk} instead.", subscription=standing.pk
        )


def _make_way(subscription: Subscription, planned: Planned, at: datetime) -> None:
    """Close the pages on which the customer could subscribe to what is new as well.

    Raises AlreadySubscribed when one has been paid.
    """
    products = _added(planned.before, planned.after)
    for page in checkouts.in_the_way(
        customer=subscription.customer, products=products, cart=None, at=at
    ):
        pages.end(checkout=page, at=at)
    _refuse_second(subscription, planned.before, planned.after)


def _added(before: Arrangement, after: Arrangement) -> set[str]:
    return {each.product_id for each in after} - {each.product_id for each in before}


def _when(
    subscription: Subscription, change: Change, before: Arrangement, after: Arrangement
) -> When:
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
        return When.NOW
    return When.RENEWAL


def _check_renewal(subscription: Subscription, change: Change) -> None:
    for name in ("proration", "proration_date", "discounts", "trial_end"):
        if getattr(change, name) is not None:
            raise Invalid("Only for a change that takes effect now.", field=name)
    if subscription.cancel_at is not None:
        raise SubscriptionEnding("Take its cancellation back first.")


def _params(
    subscription: Subscription, change: Change, before: Arrangement, after: Arrangement
) -> Fields:
    """Stripe's, for an update that a declined card leaves without any effect."""
    params: Fields = {}
    if items := arrangements.items(before, after):
        params |= {"items": items, **_prorated(subscription, change)}
    elif not change.is_billed and (change.proration or change.proration_date):
        raise Invalid("Only with a price, a quantity or add-ons.", field="proration")
    if change.discounts is not None:
        params["discounts"] = redeeming.params(subscription=subscription, names=change.discounts)
    if isinstance(change.trial_end, datetime):
        params["trial_end"] = int(change.trial_end.timestamp())
    elif change.trial_end is not None:
        params["trial_end"] = change.trial_end
    if params.keys() & {"items", "trial_end"}:
        params["payment_behavior"] = "error_if_incomplete"
    return params


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


def _record(
    subscription: Subscription, change: Change, planned: Planned, *, actor: str, at: datetime
) -> None:
    said: dict[str, Any] = {
        "when": planned.when.value,
        "price": change.price,
        "quantity": change.quantity,
        "addons": [list(each) for each in change.addons],
        "discounts": list(change.discounts) if change.discounts is not None else None,
        "trial_end": str(change.trial_end) if change.trial_end is not None else None,
    }
    audit.record(
        actor=actor,
        action="subscription.change",
        subject=subscription.pk,
        project_id=subscription.project_id,
        at=at,
        after={name: value for name, value in said.items() if value not in (None, [])},
    )
