"""Reservations: reserve units or credits, then commit what was used, or release.

Units of a metered feature are reserved in the counter of its limit, credits in the ledger. The
reservation's row is locked before either. A reservation can be committed until it expires, even if
the limit has been lowered.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from common.errors import Invalid
from common.inserts import insert
from entitlements.balances.selectors import credits as balances
from entitlements.consumption import consumables, reservation_expiry, reservation_postings
from entitlements.consumption import selectors as reservation_rows
from entitlements.consumption.consumables import (
    Consumable,
    build_counted_decision,
    build_paid_decision,
    build_unpaid_decision,
)
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
from usage.totals.counting import CountRequest

MAX_CREDITS_PER_ROW = 2**63 - 1
"""The largest value of a bigint column."""


@dataclass(frozen=True, slots=True)
class ReservationResult:
    """The reservation and the decision after it; no reservation when it was denied.
    ``is_duplicate``: the key was used before."""

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
) -> ReservationResult:
    """Reserve ``amount`` (1 to 2**53 - 1) of the feature until ``at + lifetime``, all or nothing.

    A second call with the same key returns the first reservation; a denial is not stored. Raises
    NotConsumable, ReservationKeyReused, MeterArchived, CustomerDeleted.
    """
    consumable = consumables.find(project=project, user_id=user_id, feature=feature, at=at)
    if key and (earlier := reservation_rows.find(project=project, key=key)):
        return _check_repeat(earlier, consumable, amount, at)
    if consumable.customer_id is None or not consumable.decision.allowed:
        return ReservationResult(None, consumables.read_decision(consumable, at))
    row = Reservation(
        project=project,
        customer_id=consumable.customer_id,
        feature=features.get(project=project, code=feature),
        amount=amount,
        key=key or None,
        created_at=at,
        expires_at=at + lifetime,
    )
    try:
        return _reserve_after_expiry(row, consumable, at)
    except _KeyTaken:
        earlier = reservation_rows.find(project=project, key=key) if key else None
        if earlier is None:
            raise
        return _check_repeat(earlier, consumable, amount, at)


def commit(
    *, project: Project, reservation_id: str, at: datetime, amount: int | None = None
) -> Reservation:
    """Use ``amount`` of the reservation (default: all of it) and release the rest.

    A second call with the same amount changes nothing. Raises NotFound, ReservationExpired,
    ReservationClosed when it was released or committed with another amount, MeterArchived, and
    Invalid for more than was reserved.
    """
    with transaction.atomic():
        row = reservation_rows.lock(project=project, reservation_id=reservation_id)
        committed = row.amount if amount is None else amount
        if committed > row.amount:
            raise Invalid(f"{row.amount} were reserved; commit at most that.", field="amount")
        match row.status(at):
            case ReservationStatus.COMMITTED if row.committed_amount == committed:
                return row
            case ReservationStatus.EXPIRED:
                raise ReservationExpired("Reserve it again, or consume it at once.")
            case ReservationStatus.OPEN:
                reservation_postings.post(row, used=committed, at=at)
                row.committed_at, row.committed_amount = at, committed
                row.save(update_fields=["committed_at", "committed_amount"])
                return row
            case status:
                raise ReservationClosed(f"It is {status.value} already.", status_is=status.value)


def release(*, project: Project, reservation_id: str, at: datetime) -> Reservation:
    """Release the whole reservation. Nothing changes when it was released or has expired.

    Raises NotFound, ReservationClosed when it was committed.
    """
    with transaction.atomic():
        row = reservation_rows.lock(project=project, reservation_id=reservation_id)
        match row.status(at):
            case ReservationStatus.COMMITTED:
                raise ReservationClosed("It is committed already.", status_is="committed")
            case ReservationStatus.OPEN:
                reservation_postings.post(row, used=0, at=at)
                row.released_at = at
                row.save(update_fields=["released_at"])
    return row


class _KeyTaken(Exception):
    """Another request has inserted a reservation with the same key."""


class _ReservationRefused(Exception):
    """Nothing was reserved; holds the denial."""

    def __init__(self, decision: Decision, *, is_worth_retrying: bool) -> None:
        super().__init__()
        self.decision = decision
        self.is_worth_retrying = is_worth_retrying


def _reserve_after_expiry(
    row: Reservation, consumable: Consumable, at: datetime
) -> ReservationResult:
    try:
        return _reserve_once(row, consumable, at)
    except _ReservationRefused as refusal:
        if not (
            refusal.is_worth_retrying and reservation_expiry.expire_due_of_customer(consumable, at)
        ):
            return ReservationResult(None, refusal.decision)
    try:
        return _reserve_once(row, consumable, at)
    except _ReservationRefused as refusal:
        return ReservationResult(None, refusal.decision)


def _reserve_once(row: Reservation, consumable: Consumable, at: datetime) -> ReservationResult:
    """Insert the row before locking counter or account: the lock order of all callers."""
    decision = consumable.decision
    with transaction.atomic():
        if decision.metering is not None:
            row.period = decision.metering.period.text
            _insert(row)
            completed = _hold_units(row, decision, at)
        else:
            row.credits = _price(row, decision, at)
            _insert(row)
            completed = _hold_credits(row, decision, at)
    consumables.forget_cached_decisions([consumable])
    return ReservationResult(row, completed)


def _insert(row: Reservation) -> None:
    if not insert(row):
        raise _KeyTaken


def _price(row: Reservation, decision: Decision, at: datetime) -> int:
    """The price in credits. Raises _ReservationRefused for more than a row can hold."""
    price: int = row.amount * decision.value
    if price > MAX_CREDITS_PER_ROW:
        balance = balances.balance(project_id=row.project_id, customer_id=row.customer_id, at=at)
        raise _ReservationRefused(
            build_unpaid_decision(decision, balance=balance), is_worth_retrying=False
        )
    return price


def _hold_units(row: Reservation, decision: Decision, at: datetime) -> Decision:
    assert decision.metering is not None
    request = CountRequest(row.project_id, row.customer_id, *decision.metering, row.amount)
    result = counting.reserve(request, limit=decision.limit, at=at)
    completed = build_counted_decision(decision, result, at=at)
    if not result.is_done:
        raise _ReservationRefused(completed, is_worth_retrying=result.reserved > 0)
    return completed


def _hold_credits(row: Reservation, decision: Decision, at: datetime) -> Decision:
    if not row.credits:
        return decision
    try:
        spending = credits.hold(
            project_id=row.project_id,
            customer_id=row.customer_id,
            amount=row.credits,
            at=at,
            reference=row.pk,
            feature=decision.feature,
        )
    except NotEnoughCredits as refusal:
        completed = build_unpaid_decision(decision, balance=refusal.extra["balance"])
        raise _ReservationRefused(completed, is_worth_retrying=True) from refusal
    return build_paid_decision(decision, balance=spending.balance)


def _check_repeat(
    earlier: Reservation, consumable: Consumable, amount: int, at: datetime
) -> ReservationResult:
    is_same = (earlier.customer_id, earlier.feature.code, earlier.amount) == (
        consumable.customer_id,
        consumable.decision.feature,
        amount,
    )
    if not is_same:
        raise ReservationKeyReused("Send a key of its own with each reservation.")
    return ReservationResult(earlier, consumables.read_decision(consumable, at), is_duplicate=True)
