"""The periods of a subscription's products, and what their money gives: loaded once, then values.

Two products of one subscription that end their periods together have a period each; one product
has one period that ends at a moment, whatever the ids of its items.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from billing.access import billed_units, policies
from billing.access.billed_units import BilledLine
from billing.access.credit_terms import Period
from billing.access.policies import Left, Receipts
from billing.access.selectors import period_bills, period_receipts
from billing.access.selectors.line_receipts import Also
from billing.access.selectors.period_bills import Bill
from billing.models import Product, Subscription, SubscriptionItem
from billing.models.subscription import SubscriptionStatus


class PeriodKey(NamedTuple):
    """One period of one product of a subscription."""

    product_id: str
    ends_at: datetime

    def __str__(self) -> str:
        return f"{self.product_id}:{int(self.ends_at.timestamp())}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPeriods:
    """What the credits of one subscription follow from, at one moment.

    ``running`` are the items whose product is ours, by the period that runs. ``money`` is what was
    received for each period.
    """

    subscription: Subscription
    running: Mapping[PeriodKey, Sequence[SubscriptionItem]]
    products: Mapping[str, Product]
    bills: Sequence[Bill]
    money: Mapping[PeriodKey, Receipts]
    at: datetime

    @property
    def is_giving(self) -> bool:
        return self.subscription.is_entitling and not self.subscription.is_paused

    def left(self, key: PeriodKey) -> Left | None:
        """What the product's policies leave of the period's money."""
        product = self.products[key.product_id]
        return policies.left(
            self.money.get(key, Receipts()),
            refund_policy=product.refund_policy,
            dispute_policy=product.dispute_policy,
        )

    def amount(self, key: PeriodKey, *, rate: int) -> int:
        """How many credits the money for the period gives, at ``rate`` for one unit of all of it,
        rounded down; of a period that costs nothing those of the items that there are."""
        paid = billed_units.units(
            self._counting(key), starts_at=self.starts_at(key), ends_at=key.ends_at
        )
        free = Fraction(self._free_units(key))
        return int(rate * (max(paid, free) if self._is_trial else paid + free))

    def is_free(self, key: PeriodKey) -> bool:
        """Whether no money was asked for the period."""
        return not any(line.amount > 0 or line.is_credit for line in self._counting(key))

    def starts_at(self, key: PeriodKey) -> datetime:
        """When the whole period begins of which this product may have a part."""
        ending = [bill.billed for bill in self.bills if bill.billed is not None]
        found = billed_units.period_start(ending, ends_at=key.ends_at)
        items = [item.period_start for item in self.running.get(key, ())]
        return min([*items, *([found] if found else [])], default=key.ends_at)

    def ended_at(self, key: PeriodKey) -> datetime | None:
        """When the period was over before its time: as another one began or the subscription
        ended; None if it was not."""
        if self.subscription.has_ended:
            return min(self.subscription.ended_at or self.at, key.ends_at)
        if any(other.ends_at == key.ends_at for other in self.running):
            return None
        starts = [item.period_start for items in self.running.values() for item in items]
        return min([*starts, key.ends_at])

    def is_followed(self, key: PeriodKey) -> bool:
        """Whether a later period has its money, so that what is left of this one is over."""
        over = self.ended_at(key) or key.ends_at
        return any(
            later.ends_at != key.ends_at
            and min(item.period_start for item in items) >= over
            and self.amount(later, rate=1) > 0
            for later, items in self.running.items()
        )

    @property
    def _is_trial(self) -> bool:
        return self.subscription.status == SubscriptionStatus.TRIALING

    def _counting(self, key: PeriodKey) -> list[BilledLine]:
        """The lines that bill the product for the period and count as paid."""
        policy = self.products[key.product_id].renewal_policy
        return [
            bill.billed
            for bill in self.bills
            if bill.billed is not None
            and (bill.billed.product_id, bill.billed.ends_at) == key
            and bill.billed.unit_amount > 0
            and bill.counts(policy)
        ]

    def _free_units(self, key: PeriodKey) -> int:
        """Units that no line bills: of a trial, of what is billed by use, of what costs nothing."""
        policy = self.products[key.product_id].renewal_policy
        return sum(
            item.quantity
            for item in self.running.get(key, ())
            if self._is_trial
            or (
                _costs_nothing_beforehand(item)
                and period_bills.is_settled(
                    self.bills, since=item.period_start, renewal_policy=policy
                )
            )
        )


Kept = Iterable[tuple[PeriodKey, datetime]]
"""Periods that credits were given for, with the moment at which each of them began."""


def of_subscription(
    *, subscription: Subscription, kept: Kept, at: datetime, also: Also = None
) -> PlanPeriods:
    """As :func:`of_subscriptions` for one."""
    found = of_subscriptions(
        project_id=subscription.project_id,
        subscriptions=[subscription],
        kept={subscription.pk: kept},
        at=at,
        also=also,
    )
    return found[subscription.pk]


def of_subscriptions(
    *,
    project_id: str,
    subscriptions: Sequence[Subscription],
    kept: Mapping[str, Kept],
    at: datetime,
    also: Also = None,
) -> dict[str, PlanPeriods]:
    """By subscription, the periods that run and those that are ``kept``. ``also`` as in
    :mod:`billing.access.selectors.receipts`. Up to six queries, however many subscriptions."""
    began = {each.pk: dict(kept.get(each.pk, ())) for each in subscriptions}
    running = _running(project_id, subscriptions)
    since = {key: _since(running[key], began[key], at) for key in began}
    bills = period_bills.of_subscriptions(
        project_id=project_id, subscriptions=subscriptions, since=since
    )
    products = _products(project_id, running.values(), began.values())
    found = {
        each.pk: PlanPeriods(
            subscription=each,
            running=running[each.pk],
            products=products,
            bills=bills[each.pk],
            money={},
            at=at,
        )
        for each in subscriptions
    }
    return _with_money(project_id, found, began, also)


def _with_money(
    project_id: str,
    found: Mapping[str, PlanPeriods],
    began: Mapping[str, Mapping[PeriodKey, datetime]],
    also: Also,
) -> dict[str, PlanPeriods]:
    spans = {
        pk: {key: _span(periods, key, began[pk].get(key)) for key in {*periods.running, *began[pk]}}
        for pk, periods in found.items()
    }
    received = period_receipts.of_periods(
        project_id=project_id,
        wanted=[
            (periods.subscription, periods.bills, set(spans[pk].values()))
            for pk, periods in found.items()
        ],
        also=also,
    )
    return {
        pk: replace(periods, money={key: received[pk][span] for key, span in spans[pk].items()})
        for pk, periods in found.items()
    }


def _running(
    project_id: str, subscriptions: Iterable[Subscription]
) -> dict[str, dict[PeriodKey, list[SubscriptionItem]]]:
    """The items whose product is ours, by product and the end of the period that runs; none once
    the subscription has ended."""
    found: dict[str, dict[PeriodKey, list[SubscriptionItem]]]
    found = {each.pk: defaultdict(list) for each in subscriptions}
    live = [each.pk for each in subscriptions if not each.has_ended]
    if not live:
        return found
    items = SubscriptionItem.objects.for_project(project_id).filter(subscription__in=live)
    for item in items.select_related("price__product").order_by("id"):
        if item.price is not None:
            found[item.subscription_id][PeriodKey(item.price.product_id, item.period_end)].append(
                item
            )
    return {key: dict(periods) for key, periods in found.items()}


def _since(
    running: Mapping[PeriodKey, Sequence[SubscriptionItem]],
    began: Mapping[PeriodKey, datetime],
    at: datetime,
) -> datetime:
    """When the earliest of these periods began."""
    starts = [item.period_start for items in running.values() for item in items]
    return min([*began.values(), *starts], default=at)


def _products(
    project_id: str,
    running: Iterable[Mapping[PeriodKey, Sequence[SubscriptionItem]]],
    began: Iterable[Mapping[PeriodKey, datetime]],
) -> dict[str, Product]:
    """Every product of these periods, by id."""
    found = {
        item.price.product_id: item.price.product
        for periods in running
        for items in periods.values()
        for item in items
        if item.price is not None
    }
    missing = {key.product_id for periods in began for key in periods} - set(found)
    if missing:
        rows = Product.objects.for_project(project_id).filter(pk__in=missing)
        found |= {product.pk: product for product in rows}
    return found


def _span(periods: PlanPeriods, key: PeriodKey, began: datetime | None) -> Period:
    """The time whose money counts for a period: until the next one, where that began early."""
    starts_at = began or periods.starts_at(key)
    return Period(starts_at, max(periods.ended_at(key) or key.ends_at, starts_at))


def _costs_nothing_beforehand(item: SubscriptionItem) -> bool:
    assert item.price is not None
    return item.price.is_metered or item.price.unit_amount == 0
