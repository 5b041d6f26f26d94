"""Append to the credit ledger, and record events about low balances.

The only place that writes ledger rows. The caller holds the account's lock; the database adds the
entries to the grants' sums and refuses a transaction that does not sum to zero. Cached decisions
that depend on the balance are dropped after the commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_representation as representation
from entitlements.models import CreditAccount, CreditEntry, CreditTransaction
from entitlements.models.credit_account import BalanceNotice
from entitlements.resolution.credit_allocation import CreditLeg, CreditMovement
from events.catalog import EventType
from events.log import outbox
from usage.totals import cache

EVENT_OF_NOTICE = {
    BalanceNotice.LOW: EventType.CREDITS_LOW,
    BalanceNotice.EXHAUSTED: EventType.CREDITS_EXHAUSTED,
}
NOTICE_ORDER = [BalanceNotice.NOTHING, BalanceNotice.LOW, BalanceNotice.EXHAUSTED]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingNote:
    """What is stored beside a movement: the caller's key, the units of the feature, the
    reservation (``reference``), the feature, reason and actor."""

    key: str | None = None
    units: int | None = None
    reference: str = ""
    feature: str = ""
    reason: str = ""
    actor: str = ""


def post(
    *,
    account: CreditAccount,
    movement: CreditMovement,
    legs: Sequence[CreditLeg],
    balance: int,
    note: PostingNote,
    at: datetime,
) -> CreditTransaction:
    """Write one transaction with its entries; ``balance`` is the balance after it.

    Raises IntegrityError when the key is taken, and when the entries do not sum to zero.
    """
    row = CreditTransaction.objects.for_project(account.project_id).create(
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
    CreditEntry.objects.for_project(account.project_id).bulk_create(_entries(row, legs))
    names = {account.customer.user_id, account.customer_id}
    transaction.on_commit(
        lambda: cache.forget(project_id=account.project_id, names=names), robust=True
    )
    return row


def notify_low(*, account: CreditAccount, balance: int, at: datetime) -> None:
    """Record ``credits.low`` or ``credits.exhausted``, once per level since the last top-up."""
    notice = _balance_notice(account, balance)
    if NOTICE_ORDER.index(notice) <= NOTICE_ORDER.index(BalanceNotice(account.told)):
        return
    account.told = notice
    account.save(update_fields=["told"])
    customer = account.customer
    outbox.record(
        project_id=account.project_id,
        event_type=EVENT_OF_NOTICE[notice],
        subject=customer.pk,
        customer_id=customer.pk,
        version=customer.version,
        data=representation.level(
            account, customer, balance=balance, low_at=credits.low_at(account)
        ),
        at=at,
    )


def record_top_up(*, account: CreditAccount, balance: int, at: datetime) -> None:
    """Store the balance after a top-up, which resets the notices; notify at once when it is
    still low."""
    account.topped_up_to, account.told = balance, BalanceNotice.NOTHING
    account.save(update_fields=["topped_up_to", "told"])
    notify_low(account=account, balance=balance, at=at)


def _balance_notice(account: CreditAccount, balance: int) -> BalanceNotice:
    if balance <= 0:
        return BalanceNotice.EXHAUSTED
    return BalanceNotice.LOW if balance <= credits.low_at(account) else BalanceNotice.NOTHING


def _entries(row: CreditTransaction, legs: Iterable[CreditLeg]) -> Iterable[CreditEntry]:
    return [
        CreditEntry(
            project_id=row.project_id,
            transaction=row,
            grant_id=leg.grant,
            bucket=leg.bucket,
            amount=leg.amount,
        )
        for leg in legs
    ]
