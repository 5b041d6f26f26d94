"""Consume: check and count in one step.

A metered feature is counted against its limit; a feature priced in credits is paid. A denial writes
nothing, so the same request may succeed later.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from entitlements.consumption import consumables, reservation_expiry
from entitlements.consumption.consumables import (
    Consumable,
    build_counted_decision,
    build_paid_decision,
    build_unpaid_decision,
)
from entitlements.credits import service as credits
from entitlements.credits.service import CreditSpending, CreditSpendRequest
from entitlements.errors import NotEnoughCredits
from entitlements.notices import thresholds
from entitlements.resolution.decision import Decision
from projects.models import Project
from usage.totals import counting
from usage.totals.counting import CountRequest, CountResult, CustomerChanged


@dataclass(frozen=True, slots=True)
class Consumption:
    """The decision about a use, with the amounts after it. ``consumed`` is 0 for a denial.

    ``record`` is the id of the usage record or the ledger transaction. ``is_duplicate``: the key
    was used before.
    """

    decision: Decision
    consumed: int = 0
    record: str | None = None
    is_duplicate: bool = False


def consume(
    *, project: Project, user_id: str, feature: str, amount: int, at: datetime, key: str = ""
) -> Consumption:
    """Use ``amount`` (1 to 2**53 - 1) of the feature, all or nothing.

    A second call with the same key is counted once; a denial is not stored. Raises NotConsumable,
    UsageKeyReused or CreditsKeyReused when the key belongs to another use, MeterArchived,
    CustomerDeleted.
    """
    remembered = consumables.find_remembered(
        project_id=project.pk, user_id=user_id, feature=feature, at=at
    )
    if remembered is not None:
        with suppress(CustomerChanged):
            return _consume(remembered, amount, key, at, version=remembered.decision.version)
    consumable = consumables.find(
        project=project,
        user_id=user_id,
        feature=feature,
        at=at,
        bypass_cache=remembered is not None,
    )
    return _consume(consumable, amount, key, at)


def _consume(
    consumable: Consumable, amount: int, key: str, at: datetime, *, version: int | None = None
) -> Consumption:
    metering, customer_id = consumable.decision.metering, consumable.customer_id
    if customer_id is None or not consumable.decision.allowed:
        return _deny(consumable, amount, key, at)
    if metering is None:
        return _consume_credits(consumable, customer_id, amount, key, at)
    request = CountRequest(consumable.project_id, customer_id, *metering, amount)
    return _consume_units(consumable, request, key, at, version)


def _deny(consumable: Consumable, amount: int, key: str, at: datetime) -> Consumption:
    """The denial, unless exactly this use was counted before under the key."""
    completed = consumables.read_decision(consumable, at)
    if not key or consumable.customer_id is None:
        return Consumption(completed)
    if consumable.decision.is_priced:
        transaction = credits.find_use(
            project_id=consumable.project_id,
            customer_id=consumable.customer_id,
            key=key,
            feature=consumable.decision.feature,
            units=amount,
            amount=amount,
        )
        is_done = transaction is not None
    else:
        is_done = counting.is_counted(
            project_id=consumable.project_id,
            customer_id=consumable.customer_id,
            amount=amount,
            key=key,
            feature=consumable.decision.feature,
        )
    return Consumption(completed, amount, is_duplicate=True) if is_done else Consumption(completed)


def _consume_units(
    consumable: Consumable, request: CountRequest, key: str, at: datetime, version: int | None
) -> Consumption:
    """Raises CustomerChanged when ``version`` is given and is not the customer's."""
    decision = consumable.decision
    thresholds_to_note = thresholds.threshold_amounts(decision.limit)

    def count_units() -> CountResult:
        return counting.count(
            request,
            limit=decision.limit,
            at=at,
            key=key,
            feature=decision.feature,
            marks=thresholds_to_note,
            version=version,
        )

    result = count_units()
    if (
        not result.is_done
        and result.reserved
        and reservation_expiry.expire_due_of_customer(consumable, at)
    ):
        result = count_units()
    if not result.is_done:
        return Consumption(build_counted_decision(decision, result, at=at))
    if not result.is_duplicate:
        consumables.forget_cached_decisions([consumable])
    note_thresholds(consumable, result, request=request, at=at)
    return build_consumption(consumable, result, request=request, at=at)


def note_thresholds(
    consumable: Consumable, result: CountResult, *, request: CountRequest, at: datetime
) -> None:
    """Let notices follow if the count has passed a share of the limit, or has left a movement."""
    if not result.is_noted:
        return
    is_passed = any(
        result.used - request.amount < mark <= result.used
        for mark in thresholds.threshold_amounts(consumable.decision.limit)
    )
    thresholds.notify_or_wake(
        project_id=request.project_id,
        customer_id=request.customer_id,
        meter_id=request.meter_id,
        at=at,
        now=is_passed,
    )


def build_consumption(
    consumable: Consumable, result: CountResult, *, request: CountRequest, at: datetime
) -> Consumption:
    """The consumption of units that were counted."""
    completed = build_counted_decision(consumable.decision, result, at=at)
    return Consumption(completed, request.amount, result.record_id, result.is_duplicate)


def _consume_credits(
    consumable: Consumable, customer_id: str, amount: int, key: str, at: datetime
) -> Consumption:
    decision = consumable.decision
    cost = amount * decision.value
    if not cost and not key:
        return Consumption(decision, amount)

    def spend() -> CreditSpending:
        return credits.spend(
            project_id=consumable.project_id,
            customer_id=customer_id,
            request=CreditSpendRequest(
                amount=cost, key=key or None, feature=decision.feature, units=amount
            ),
            at=at,
        )

    try:
        spending = reservation_expiry.retry_after_expiry(spend, consumable, at=at)
    except NotEnoughCredits as refusal:
        return Consumption(build_unpaid_decision(decision, balance=refusal.extra["balance"]))
    if not spending.is_repeat:
        consumables.forget_cached_decisions([consumable])
    completed = build_paid_decision(decision, balance=spending.balance)
    return Consumption(completed, amount, spending.transaction_id, spending.is_repeat)
