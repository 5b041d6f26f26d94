"""Set aside what may be needed: reserve it, then commit what was used of it, or release it.

Units of a metered feature wait in the counter that its limit is held against; of one that costs
credits, the credits wait in the ledger. A reservation's row is locked before either. What was
reserved can be committed until it expires, whatever becomes of the limit: it was promised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.db import DatabaseError, transaction

from common.errors import Invalid
from common.fair_queue import QueueRun, RetryRule
from common.inserts import insert
from entitlements.balances.selectors import credits as ledger
from entitlements.consumption import consumables, reservation_postings
from entitlements.consumption import selectors as stored
from entitlements.consumption.consumables import Consumable, counted, paid, unpaid
from entitlements.credits import service as credits
from entitlements.errors import (
    NotEnoughCredits,
    ReservationClosed,
    ReservationExpired,
    ReservationKeyReused,
)
from entitlements.features.selectors import features
from entitlements.models import Reservation
from entitlements.models.reservation import ReservationStatus
from entitlements.resolution.decision import Decision
from projects.models import Project
from usage.totals import counting
from usage.totals.counting import Wish

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="reservation_expiry", attempts=20)
T = TypeVar("T")

MAX_SUM = 2**63 - 1
"""The largest figure that a row holds; sums of credits stay below it."""
LAZILY = 100
"""How many that are over are looked at on behalf of somebody who waits."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was set aside, and the decision about that with the figures after it; None and a
    denial when nothing was. ``is_duplicate`` says that it was before."""

    reservation: Reservation | None
    decision: Decision
    is_duplicate: bool = False


def reserve(
    *,
    project: Project,
    user_id: str,
    feature: str,
    amount: int,
    lifetime: timedelta,
    at: datetime,
    key: str | None = None,
) -> Reserved:
    """Set ``amount`` (1 to 2**53 - 1) of the feature aside until ``at + lifetime``, or nothing.

    Again with the same key is the same as once; a denial is not kept. Raises NotConsumable,
    ReservationKeyReused, MeterArchived, CustomerDeleted.
    """
    subject = consumables.find(project=project, user_id=user_id, feature=feature, at=at)
    if key and (before := stored.find(project=project, key=key)):
        return _repeated(before, subject, amount, at)
    if subject.customer_id is None or not subject.decision.allowed:
        return Reserved(None, consumables.standing(subject, at))
    row = Reservation(
        project=project,
        customer_id=subject.customer_id,
        feature=features.get(project=project, code=feature),
        amount=amount,
        key=key or None,
        created_at=at,
        expires_at=at + lifetime,
    )
    try:
        return _make(row, subject, at)
    except _KeyTaken:
        before = stored.find(project=project, key=key) if key else None
        if before is None:
            raise
        return _repeated(before, subject, amount, at)


def commit(
    *, project: Project, reservation_id: str, at: datetime, amount: int | None = None
) -> Reservation:
    """Use so much of what was reserved, all unless told otherwise, and give back the rest.

    Again with the same amount changes nothing. Raises NotFound, ReservationExpired,
    ReservationClosed when it was released or committed with another amount, MeterArchived, and
    Invalid for more than was reserved.
    """
    with transaction.atomic():
        row = stored.lock(project=project, reservation_id=reservation_id)
        wanted = row.amount if amount is None else amount
        if wanted > row.amount:
            raise Invalid(f"{row.amount} were reserved; commit at most that.", field="amount")
        match row.status(at):
            case ReservationStatus.COMMITTED if row.committed_amount == wanted:
                return row
            case ReservationStatus.EXPIRED:
                raise ReservationExpired("Reserve it again, or consume it at once.")
            case ReservationStatus.OPEN:
                reservation_postings.post(row, used=wanted, at=at)
                row.committed_at, row.committed_amount = at, wanted
                row.save(update_fields=["committed_at", "committed_amount"])
                return row
            case status:
                raise ReservationClosed(f"It is {status.value} already.", status_is=status.value)


def release(*, project: Project, reservation_id: str, at: datetime) -> Reservation:
    """Give back all that was reserved; nothing changes when it was released or has expired.

    Raises NotFound, ReservationClosed when it was committed.
    """
    with transaction.atomic():
        row = stored.lock(project=project, reservation_id=reservation_id)
        match row.status(at):
            case ReservationStatus.COMMITTED:
                raise ReservationClosed("It is committed already.", status_is="committed")
            case ReservationStatus.OPEN:
                reservation_postings.post(row, used=0, at=at)
                row.released_at = at
                row.save(update_fields=["released_at"])
    return row


def expire_due(*, at: datetime, limit: int) -> int:
    """Give back what was reserved until now at the latest, and never used; how many."""
    run = QueueRun(RULE)
    due = stored.due(at=at, limit=limit, rule=RULE)
    return sum(run.attempt(lambda row: _give_back(row, at), each) for each in due)


def expire_of(subject: Consumable, at: datetime) -> bool:
    """Whether something of the customer's was given back, whose time was over."""
    if subject.customer_id is None:
        return False
    over = stored.due_of(
        project_id=subject.project_id, customer_id=subject.customer_id, at=at, limit=LAZILY
    )
    return sum(_expire(row, at) for row in over) > 0


def patiently(act: Callable[[], T], subject: Consumable, *, at: datetime) -> T:
    """What ``act`` returns; once more if credits were missing and some could be given back."""
    try:
        return act()
    except NotEnoughCredits:
        if not expire_of(subject, at):
            raise
        return act()


class _KeyTaken(Exception):
    """Another request has reserved under the same key meanwhile."""


class _Refused(Exception):
    """Nothing was set aside; with the denial."""

    def __init__(self, decision: Decision, *, is_worth_retrying: bool) -> None:
        super().__init__()
        self.decision = decision
        self.is_worth_retrying = is_worth_retrying


def _make(row: Reservation, subject: Consumable, at: datetime) -> Reserved:
    try:
        return _try(row, subject, at)
    except _Refused as refusal:
        if not (refusal.is_worth_retrying and expire_of(subject, at)):
            return Reserved(None, refusal.decision)
    try:
        return _try(row, subject, at)
    except _Refused as refusal:
        return Reserved(None, refusal.decision)


def _try(row: Reservation, subject: Consumable, at: datetime) -> Reserved:
    """The row first and what it holds after it, as everybody locks them."""
    decision = subject.decision
    with transaction.atomic():
        if decision.metering is not None:
            row.period = decision.metering.period.text
            _write(row)
            answer = _hold_units(row, decision, at)
        else:
            row.credits = _price(row, decision, at)
            _write(row)
            answer = _hold_credits(row, decision, at)
    consumables.forget(subject)
    return Reserved(row, answer)


def _write(row: Reservation) -> None:
    if not insert(row):
        raise _KeyTaken


def _price(row: Reservation, decision: Decision, at: datetime) -> int:
    """How many credits it takes. Raises _Refused for more than anybody has."""
    price: int = row.amount * decision.value
    if price > MAX_SUM:
        balance = ledger.balance(project_id=row.project_id, customer_id=row.customer_id, at=at)
        raise _Refused(unpaid(decision, balance=balance), is_worth_retrying=False)
    return price


def _hold_units(row: Reservation, decision: Decision, at: datetime) -> Decision:
    assert decision.metering is not None
    wish = Wish(row.project_id, row.customer_id, *decision.metering, row.amount)
    outcome = counting.reserve(wish, limit=decision.limit, at=at)
    answer = counted(decision, outcome, at=at)
    if not outcome.is_done:
        raise _Refused(answer, is_worth_retrying=outcome.reserved > 0)
    return answer


def _hold_credits(row: Reservation, decision: Decision, at: datetime) -> Decision:
    if not row.credits:
        return decision
    try:
        held = credits.hold(
            project_id=row.project_id,
            customer_id=row.customer_id,
            amount=row.credits,
            at=at,
            reference=row.pk,
            feature=decision.feature,
        )
    except NotEnoughCredits as refusal:
        answer = unpaid(decision, balance=refusal.extra["balance"])
        raise _Refused(answer, is_worth_retrying=True) from refusal
    return paid(decision, balance=held.balance)


def _repeated(before: Reservation, subject: Consumable, amount: int, at: datetime) -> Reserved:
    same = (before.customer_id, before.feature.code, before.amount) == (
        subject.customer_id,
        subject.decision.feature,
        amount,
    )
    if not same:
        raise ReservationKeyReused("Send a key of its own with each reservation.")
    return Reserved(before, consumables.standing(subject, at), is_duplicate=True)


def _give_back(due: Reservation, at: datetime) -> bool:
    with transaction.atomic():
        row = stored.lock_open(project_id=due.project_id, reservation_id=due.pk)
        if row is None or row.status(at) != ReservationStatus.EXPIRED:
            return False
        reservation_postings.post(row, used=0, at=at)
        row.expired_at = at
        row.save(update_fields=["expired_at"])
    return True


def _expire(due: Reservation, at: datetime) -> bool:
    try:
        return _give_back(due, at)
    except DatabaseError as error:  # a lock that somebody holds: the next run finds it again
        log.warning("reservation_not_expired", id=due.pk, error=type(error).__name__)
        return False
