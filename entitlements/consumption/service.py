"""Check and count in one step: use so much of a feature, if it is allowed.

A metered feature is counted against its limit, one that costs credits is paid for. A denial is an
answer and leaves nothing behind, so the same may be asked again later.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from entitlements.consumption import consumables, reservations
from entitlements.consumption.consumables import Consumable, counted, paid, unpaid
from entitlements.credits import service as credits
from entitlements.credits.service import Spent
from entitlements.errors import NotEnoughCredits
from entitlements.notices import thresholds
from entitlements.resolution.decision import Decision
from projects.models import Project
from usage.totals import counting
from usage.totals.counting import CustomerChanged, Outcome, Wish


@dataclass(frozen=True, slots=True)
class Consumption:
    """The decision about a use, with the figures after it; ``consumed`` is 0 when it is no.

    ``record`` is what was written of it: a record of use or a transaction of the ledger.
    ``is_duplicate`` says that it was there before.
    """

    decision: Decision
    consumed: int = 0
    record: str | None = None
    is_duplicate: bool = False


def consume(
    *, project: Project, user_id: str, feature: str, amount: int, at: datetime, key: str = ""
) -> Consumption:
    """Use ``amount`` (1 to 2**53 - 1) of the feature, all of it or nothing.

    Again with the same key is the same as once; a denial is not kept. Raises NotConsumable for
    what is not used up, UsageKeyReused or CreditsKeyReused when the key stands for another use,
    MeterArchived, CustomerDeleted.
    """
    known = consumables.recall(project_id=project.pk, user_id=user_id, feature=feature, at=at)
    if known is not None:
        with suppress(CustomerChanged):
            return _use(known, amount, key, at, version=known.decision.version)
    subject = consumables.find(
        project=project, user_id=user_id, feature=feature, at=at, anew=known is not None
    )
    return _use(subject, amount, key, at)


def _use(
    subject: Consumable, amount: int, key: str, at: datetime, *, version: int | None = None
) -> Consumption:
    metering, customer_id = subject.decision.metering, subject.customer_id
    if customer_id is None or not subject.decision.allowed:
        return _denied(subject, amount, key, at)
    if metering is None:
        return _pay(subject, customer_id, amount, key, at)
    wish = Wish(subject.project_id, customer_id, *metering, amount)
    return _count(subject, wish, key, at, version)


def _denied(subject: Consumable, amount: int, key: str, at: datetime) -> Consumption:
    """No, unless it was allowed and done before under this key."""
    whole = consumables.standing(subject, at)
    if not key or subject.customer_id is None:
        return Consumption(whole)
    if subject.decision.is_priced:
        was = credits.find_use(
            project_id=subject.project_id,
            customer_id=subject.customer_id,
            key=key,
            feature=subject.decision.feature,
            units=amount,
            amount=amount,
        )
        is_done = was is not None
    else:
        is_done = counting.was_taken(
            project_id=subject.project_id,
            customer_id=subject.customer_id,
            amount=amount,
            key=key,
            said=subject.decision.feature,
        )
    return Consumption(whole, amount, is_duplicate=True) if is_done else Consumption(whole)


def _count(
    subject: Consumable, wish: Wish, key: str, at: datetime, version: int | None
) -> Consumption:
    """Raises CustomerChanged when a ``version`` is given and is not the customer's any more."""
    decision = subject.decision
    marks = thresholds.marks(decision.limit)

    def take() -> Outcome:
        said = decision.feature
        return counting.take(
            wish,
            limit=decision.limit,
            at=at,
            key=key,
            said=said,
            marks=marks,
            version=version,
        )

    outcome = take()
    if not outcome.is_done and outcome.reserved and reservations.expire_of(subject, at):
        outcome = take()
    answer = counted(decision, outcome, at=at)
    if not outcome.is_done:
        return Consumption(answer)
    if not outcome.is_duplicate:
        consumables.forget(subject)
    if outcome.is_noted:
        passed = any(outcome.used - wish.amount < mark <= outcome.used for mark in marks)
        thresholds.notice(
            project_id=wish.project_id,
            customer_id=wish.customer_id,
            meter_id=wish.meter_id,
            at=at,
            now=passed,
        )
    return Consumption(answer, wish.amount, outcome.record_id, outcome.is_duplicate)


def _pay(subject: Consumable, customer_id: str, amount: int, key: str, at: datetime) -> Consumption:
    decision = subject.decision
    cost = amount * decision.value
    if not cost and not key:
        return Consumption(decision, amount)

    def spend() -> Spent:
        return credits.spend(
            project_id=subject.project_id,
            customer_id=customer_id,
            amount=cost,
            at=at,
            key=key or None,
            feature=decision.feature,
            units=amount,
        )

    try:
        spent = reservations.patiently(spend, subject, at=at)
    except NotEnoughCredits as refusal:
        return Consumption(unpaid(decision, balance=refusal.extra["balance"]))
    if not spent.is_repeat:
        consumables.forget(subject)
    answer = paid(decision, balance=spent.balance)
    return Consumption(answer, amount, spent.transaction_id, spent.is_repeat)
