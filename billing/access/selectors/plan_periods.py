"""The periods of a subscription's products with their money: loaded once, then pure values.

Two products of one subscription whose periods end together have one period each. One product has
one period that ends at a given time, whatever the ids of its items.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from billing.access import billed_units, policies
from billing.access.billed_units import BilledLine
from billing.access.credit_terms import CreditPeriod
from billing.access.policies import Receipts, RemainingAccess
from billing.access.selectors import period_bills, period_receipts, purchased_rows
from billing.access.selectors.line_receipts import ExtraRefunds
from billing.access.selectors.period_bills import PeriodBill
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
    """The inputs of one subscription's credits at one time.

    ``running``: items of our products, by running period. ``money``: receipts by period.
    """

    subscription: Subscription
    running: Mapping[PeriodKey, Sequence[SubscriptionItem]]
    products: Mapping[str, Product]
    bills: Sequence[PeriodBill]
    money: Mapping[PeriodKey, Receipts]
    at: datetime

    @property
    def is_giving(self) -> bool:
        return self.subscription.is_entitling and not self.subscription.is_paused

    def remaining_access(self, key: PeriodKey) -> RemainingAccess | None:
        """The access that the product's policies leave for the period; None for none."""
        product = self.products[key.product_id]
        return policies.find_remaining_access(
            self.money.get(key, Receipts()),
            refund_policy=product.refund_policy,
            dispute_policy=product.dispute_policy,
        )

    def amount(self, key: PeriodKey, *, rate: int) -> int:
        """Credits for the period, rounded down; ``rate`` is for one unit over the whole period.
        Items that cost nothing count with their quantity."""
        paid = billed_units.count_units(
            self._counting(key), starts_at=self.starts_at(key), ends_at=key.ends_at
        )
        free = Fraction(self._free_units(key))
        return int(rate * (max(paid, free) if self._is_trial else paid + free))

    def is_free(self, key: PeriodKey) -> bool:
        """Whether nothing was charged for the period."""
        return not any(line.amount > 0 or line.is_credit for line in self._counting(key))

    def starts_at(self, key: PeriodKey) -> datetime:
        """Start of the whole period; the product may have only a part of it. A trial is as long as
        it is, whatever the interval of its price, which its first invoice names."""
        items = [item.period_start for item in self.running.get(key, ())]
        if self._is_trial and items:
            return min(items)
        ending = [bill.billed for bill in self.bills if bill.billed is not None]
        billed_start = billed_units.find_period_start(ending, ends_at=key.ends_at)
        return min([*items, *([billed_start] if billed_start else [])], default=key.ends_at)

    def ended_at(self, key: PeriodKey) -> datetime | None:
        """When the period ended early, because another one began or the subscription ended; None
        if it did not."""
        if self.subscription.has_ended:
            return min(self.subscription.ended_at or self.at, key.ends_at)
        if any(other.ends_at == key.ends_at for other in self.running):
            return None
        starts = [item.period_start for items in self.running.values() for item in items]
        return min([*starts, key.ends_at])

    def has_paid_successor(self, key: PeriodKey) -> bool:
        """Whether a later period is paid, which ends the credits of this one."""
        ended_at = self.ended_at(key) or key.ends_at
        return any(
            later.ends_at != key.ends_at
            and min(item.period_start for item in items) >= ended_at
            and self.amount(later, rate=1) > 0
            for later, items in self.running.items()
        )

    @property
    def _is_trial(self) -> bool:
        return self.subscription.status == SubscriptionStatus.TRIALING

    def _counting(self, key: PeriodKey) -> list[BilledLine]:
        """Lines that bill the product for the period and count as paid."""
        policy = self.products[key.product_id].renewal_policy
        return [
            bill.billed
            for bill in self.bills
            if bill.billed is not None
            and (bill.billed.product_id, bill.billed.ends_at) == key
            and bill.billed.unit_amount > 0
            and bill.counts_as_paid(policy)
        ]

    def _free_units(self, key: PeriodKey) -> int:
        """Units that no line bills: in a trial, of metered prices, of prices of 0."""
        policy = self.products[key.product_id].renewal_policy
        return sum(
            item.quantity
            for item in self.running.get(key, ())
            if self._is_trial
            or (
                _costs_nothing_beforehand(item)
                and period_bills.has_money(
                    self.bills, since=item.period_start, renewal_policy=policy
                )
            )
        )


GrantedPeriods = Iterable[tuple[PeriodKey, datetime]]
"""Periods with granted credits, each with its start."""


def of_subscription(
    *,
    subscription: Subscription,
    granted: GrantedPeriods,
    at: datetime,
    extra_refunds: ExtraRefunds = None,
) -> PlanPeriods:
    """:func:`of_subscriptions` for one subscription."""
    periods = of_subscriptions(
        project_id=subscription.project_id,
        subscriptions=[subscription],
        granted={subscription.pk: granted},
        at=at,
        extra_refunds=extra_refunds,
    )
    return periods[subscription.pk]


def of_subscriptions(
    *,
    project_id: str,
    subscriptions: Sequence[Subscription],
    granted: Mapping[str, GrantedPeriods],
    at: datetime,
    extra_refunds: ExtraRefunds = None,
) -> dict[str, PlanPeriods]:
    """By subscription id, its running periods and the ``granted`` ones. ``extra_refunds`` as in
    :mod:`billing.access.selectors.receipts`. Up to six queries for any number."""
    starts_by_id = {row.pk: dict(granted.get(row.pk, ())) for row in subscriptions}
    running = _running(subscriptions)
    since = {key: _since(running[key], starts_by_id[key], at) for key in starts_by_id}
    bills = period_bills.find_bills(project_id=project_id, subscriptions=subscriptions, since=since)
    products = _products(project_id, running.values(), starts_by_id.values())
    periods = {
        row.pk: PlanPeriods(
            subscription=row,
            running=running[row.pk],
            products=products,
            bills=bills[row.pk],
            money={},
            at=at,
        )
        for row in subscriptions
    }
    return _with_money(project_id, periods, starts_by_id, extra_refunds)


def _with_money(
    project_id: str,
    periods_by_id: Mapping[str, PlanPeriods],
    starts_by_id: Mapping[str, Mapping[PeriodKey, datetime]],
    extra_refunds: ExtraRefunds,
) -> dict[str, PlanPeriods]:
    spans = {
        pk: {
            key: _span(periods, key, starts_by_id[pk].get(key))
            for key in {*periods.running, *starts_by_id[pk]}
        }
        for pk, periods in periods_by_id.items()
    }
    received = period_receipts.of_periods(
        project_id=project_id,
        subscriptions=[
            (periods.subscription, periods.bills, set(spans[pk].values()))
            for pk, periods in periods_by_id.items()
        ],
        extra_refunds=extra_refunds,
    )
    return {
        pk: replace(periods, money={key: received[pk][span] for key, span in spans[pk].items()})
        for pk, periods in periods_by_id.items()
    }


def _running(
    subscriptions: Iterable[Subscription],
) -> dict[str, dict[PeriodKey, list[SubscriptionItem]]]:
    """Items of our products by subscription id and running period; none if it has ended."""
    items_by_period: dict[str, dict[PeriodKey, list[SubscriptionItem]]]
    items_by_period = {row.pk: defaultdict(list) for row in subscriptions}
    live = [row.pk for row in subscriptions if not row.has_ended]
    for item in purchased_rows.find_items(live):
        if item.price is not None:
            items_by_period[item.subscription_id][
                PeriodKey(item.price.product_id, item.period_end)
            ].append(item)
    return {key: dict(periods) for key, periods in items_by_period.items()}


def _since(
    running: Mapping[PeriodKey, Sequence[SubscriptionItem]],
    granted: Mapping[PeriodKey, datetime],
    at: datetime,
) -> datetime:
    """Start of the earliest of these periods."""
    starts = [item.period_start for items in running.values() for item in items]
    return min([*granted.values(), *starts], default=at)


def _products(
    project_id: str,
    running: Iterable[Mapping[PeriodKey, Sequence[SubscriptionItem]]],
    began: Iterable[Mapping[PeriodKey, datetime]],
) -> dict[str, Product]:
    """All products of these periods, by id."""
    products = {
        item.price.product_id: item.price.product
        for periods in running
        for items in periods.values()
        for item in items
        if item.price is not None
    }
    missing = {key.product_id for periods in began for key in periods} - set(products)
    if missing:
        rows = Product.objects.for_project(project_id).filter(pk__in=missing)
        products |= {product.pk: product for product in rows}
    return products


def _span(periods: PlanPeriods, key: PeriodKey, start: datetime | None) -> CreditPeriod:
    """The time whose payments count for a period: it ends early if the next one began early."""
    starts_at = start or periods.starts_at(key)
    return CreditPeriod(starts_at, max(periods.ended_at(key) or key.ends_at, starts_at))


def _costs_nothing_beforehand(item: SubscriptionItem) -> bool:
    assert item.price is not None
    return item.price.is_metered or item.price.unit_amount == 0
