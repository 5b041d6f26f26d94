"""Write movements of credits down, and tell when they run low.

The one place that appends to the ledger. The caller holds the account's lock; the database adds
the entries up to the grants' sums and refuses what does not balance. Answers that depend on the
balance are forgotten after the commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_representation as representation
from entitlements.models import CreditAccount, CreditEntry, CreditTransaction
from entitlements.models.credit_account import Told
from entitlements.resolution.credit_allocation import Leg, Movement
from events.catalog import EventType
from events.services import outbox
from usage.totals import cache

EVENTS = {Told.LOW: EventType.CREDITS_LOW, Told.EXHAUSTED: EventType.CREDITS_EXHAUSTED}
RANK = [Told.NOTHING, Told.LOW, Told.EXHAUSTED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is written beside a movement: its caller's key, the reservation, how much of the feature
    it is, and why."""

    key: str | None = None
    units: int | None = None
    reference: str = ""
    feature: str = ""
    reason: str = ""
    actor: str = ""


def post(
    *,
    account: CreditAccount,
    movement: Movement,
    legs: Sequence[Leg],
    balance: int,
    note: Note,
    at: datetime,
) -> CreditTransaction:
    """One transaction with its entries; ``balance`` is what can be spent after it.

    Raises IntegrityError when the key is taken, and when the entries do not sum to zero.
    """
    made = CreditTransaction.objects.for_project(account.project_id).create(
        customer_id=account.customer_id,
        movement=movement,
        amount=sum(leg.amount for leg in legs if leg.amount > 0),
        units=note.units,
        balance=balance,
        key=note.key,
        reference=note.reference,
        feature=note.feature,
        reason=note.reason,
        actor=note.actor,
        occurred_at=at,
    )
    CreditEntry.objects.for_project(account.project_id).bulk_create(_entries(made, legs))
    names = {account.customer.user_id, account.customer_id}
    transaction.on_commit(
        lambda: cache.forget(project_id=account.project_id, names=names), robust=True
    )
    return made


def fell(*, account: CreditAccount, balance: int, at: datetime) -> None:
    """Tell that the balance is low, or nothing, unless that was told since the last top-up."""
    told = _level(account, balance)
    if RANK.index(told) <= RANK.index(Told(account.told)):
        return
    account.told = told
    account.save(update_fields=["told"])
    customer = account.customer
    outbox.record(
        project_id=account.project_id,
        event_type=EVENTS[told],
        subject=customer.pk,
        customer_id=customer.pk,
        version=customer.version,
        data=representation.level(
            account, customer, balance=balance, low_at=credits.low_at(account)
        ),
        at=at,
    )


def rose(*, account: CreditAccount, balance: int, at: datetime) -> None:
    """Remember up to what the balance was topped up: running low may be told again, and is at
    once when that was not enough."""
    account.topped_up_to, account.told = balance, Told.NOTHING
    account.save(update_fields=["topped_up_to", "told"])
    fell(account=account, balance=balance, at=at)


def _level(account: CreditAccount, balance: int) -> Told:
    if balance <= 0:
        return Told.EXHAUSTED
    return Told.LOW if balance <= credits.low_at(account) else Told.NOTHING


def _entries(made: CreditTransaction, legs: Iterable[Leg]) -> Iterable[CreditEntry]:
    return [
        CreditEntry(
            project_id=made.project_id,
            transaction=made,
            grant_id=leg.grant,
            bucket=leg.bucket,
            amount=leg.amount,
        )
        for leg in legs
    ]
