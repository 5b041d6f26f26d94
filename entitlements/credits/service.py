"""Spend credits, and reserve them until they are used or released.

Concurrent calls never spend a credit twice: all movements of a customer lock the account's row, and
the database refuses a negative grant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_accounts, credit_ledger, credit_postings
from entitlements.credits.credit_ledger import PostingNote
from entitlements.errors import CreditsKeyReused, NotEnoughCredits
from entitlements.models import CreditAccount, CreditTransaction
from entitlements.resolution.credit_allocation import (
    CreditBucket,
    CreditLeg,
    CreditMovement,
    CreditShare,
    allocate,
    build_transfer,
    split_reserved,
)
from projects.customers import selectors as customers
from projects.models import Customer, Project

TARGET_BUCKET = {
    CreditMovement.SPEND: CreditBucket.SPENT,
    CreditMovement.HOLD: CreditBucket.RESERVED,
}


@dataclass(frozen=True, slots=True)
class CreditSpending:
    """Credits taken by one transaction, by grant, and the balance after it.

    ``is_repeat``: the key was spent before; nothing was taken now and ``balance`` is that of then.
    """

    transaction_id: str
    amount: int
    balance: int
    shares: Sequence[CreditShare]
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditSpendRequest:
    """Credits to take, and the caller's ``key`` of this use (None: every call is a new use).

    ``units`` is how much of the feature they pay for: the same use again is the same whatever it
    costs by now, and one that costs nothing is written down under its key too.
    """

    amount: int
    key: str | None = None
    feature: str = ""
    units: int | None = None
    reason: str = ""


def spend(
    *,
    project_id: str,
    customer_id: str,
    request: CreditSpendRequest,
    at: datetime,
    actor: str = "",
) -> CreditSpending:
    """Take the credits, all or none; again with the same key is the same as once.

    Raises NotEnoughCredits, and CreditsKeyReused when the key was spent on something else.
    """
    amount, key = request.amount, request.key
    try:
        with transaction.atomic():
            account = _lock(project_id, customer_id, amount)
            if key is not None and (repeat := _find_repeat(account, key, request)):
                return repeat
            note = PostingNote(
                key=key,
                units=request.units,
                feature=request.feature,
                reason=request.reason,
                actor=actor,
            )
            return _spend_or_hold(account, amount, movement=CreditMovement.SPEND, note=note, at=at)
    except IntegrityError as error:
        if key is None or credits.find_transaction(project_id=project_id, key=key) is None:
            raise
        raise CreditsKeyReused(KEY_REUSED_DETAIL) from error


def spend_of_user(
    *, project: Project, user_id: str, request: CreditSpendRequest, at: datetime, actor: str
) -> CreditSpending:
    """Spend credits of a user. A user without a customer row has none: raises NotEnoughCredits."""
    customer = customers.find(project=project, user_id=user_id)
    if customer is None:
        raise _not_enough(0, request.amount)
    return spend(
        project_id=project.pk, customer_id=customer.pk, request=request, at=at, actor=actor
    )


def hold(
    *,
    project_id: str,
    customer_id: str,
    amount: int,
    at: datetime,
    reference: str,
    feature: str = "",
) -> CreditSpending:
    """Reserve ``amount`` credits under a reference, until :func:`post_reserved` or :func:`release`.

    Reserved credits do not expire. Raises NotEnoughCredits.
    """
    with transaction.atomic():
        account = _lock(project_id, customer_id, amount)
        note = PostingNote(reference=reference, feature=feature)
        return _spend_or_hold(account, amount, movement=CreditMovement.HOLD, note=note, at=at)


def post_reserved(
    *,
    project_id: str,
    customer_id: str,
    reference: str,
    amount: int,
    at: datetime,
    feature: str = "",
) -> int:
    """Spend ``amount`` of the credits reserved under the reference and release the rest. Returns
    the balance.

    A second call changes nothing, because nothing is reserved any more. Credits that return to a
    grant that has expired or was revoked are lost. Raises ValueError when ``amount`` is more than
    was reserved.
    """
    with transaction.atomic():
        account = credits.lock(project_id=project_id, customer_id=customer_id)
        reserved = credits.reserved_by_grant(
            project_id=project_id, customer_id=customer_id, reference=reference
        )
        if account is None or not reserved:
            return credits.balance(project_id=project_id, customer_id=customer_id, at=at)
        used, rest = split_reserved(
            [CreditShare(grant.pk, amount_left) for grant, amount_left in reserved], amount
        )
        note = PostingNote(reference=reference, feature=feature)
        return _post_split(account, used, rest, note, at)


def _post_split(
    account: CreditAccount,
    used: Sequence[CreditShare],
    rest: Sequence[CreditShare],
    note: PostingNote,
    at: datetime,
) -> int:
    owner = {"project_id": account.project_id, "customer_id": account.customer_id}
    balance = credits.balance(**owner, at=at)
    if used:
        credit_ledger.post(
            account=account,
            movement=CreditMovement.SETTLE,
            legs=build_transfer(used, CreditBucket.RESERVED, CreditBucket.SPENT),
            balance=balance,
            note=note,
            at=at,
        )
    if not rest:
        return balance
    live_grants = credits.live_grant_ids(
        project_id=account.project_id, grant_ids=[share.grant for share in rest], at=at
    )
    credit_ledger.post(
        account=account,
        movement=CreditMovement.RELEASE,
        legs=build_transfer(rest, CreditBucket.RESERVED, CreditBucket.AVAILABLE),
        balance=balance + sum(share.amount for share in rest if share.grant in live_grants),
        note=note,
        at=at,
    )
    grant_ids = [share.grant for share in rest]
    return credit_postings.post_due(account=account, grant_ids=grant_ids, at=at)


def release(
    *, project_id: str, customer_id: str, reference: str, at: datetime, feature: str = ""
) -> int:
    """Release all credits reserved under the reference. Returns the balance."""
    return post_reserved(
        project_id=project_id,
        customer_id=customer_id,
        reference=reference,
        amount=0,
        at=at,
        feature=feature,
    )


KEY_REUSED_DETAIL = "Use a new key for each spending."


def _lock(project_id: str, customer_id: str, amount: int) -> CreditAccount:
    account = credits.lock(project_id=project_id, customer_id=customer_id)
    if account is None and not amount:
        return credit_accounts.ensure(Customer.objects.for_project(project_id).get(pk=customer_id))
    if account is None:
        raise _not_enough(0, amount)
    return account


def _spend_or_hold(
    account: CreditAccount,
    amount: int,
    *,
    movement: CreditMovement,
    note: PostingNote,
    at: datetime,
) -> CreditSpending:
    rows = credits.spendable_grants(
        project_id=account.project_id, customer_id=account.customer_id, at=at
    )
    available = sum(row.available for row in rows)
    shares = allocate((row.lot for row in rows), amount, at=at)
    if shares is None:
        raise _not_enough(available, amount)
    balance = available - amount
    posted = credit_ledger.post(
        account=account,
        movement=movement,
        legs=build_transfer(shares, CreditBucket.AVAILABLE, TARGET_BUCKET[movement]),
        balance=balance,
        note=note,
        at=at,
    )
    credit_ledger.notify_low(account=account, balance=balance, at=at)
    return CreditSpending(posted.pk, amount, balance, shares)


def find_use(
    *, project_id: str, customer_id: str, key: str, feature: str, units: int, amount: int
) -> CreditTransaction | None:
    """The transaction that paid for exactly this use under the key; None for a new key.
    ``amount`` is compared where an old transaction has no ``units``. Raises CreditsKeyReused for
    another use."""
    row = credits.find_transaction(project_id=project_id, key=key)
    if row is None:
        return None
    is_same = row.amount == amount if row.units is None else row.units == units
    if (row.customer_id, row.feature) != (customer_id, feature) or not is_same:
        raise CreditsKeyReused(KEY_REUSED_DETAIL)
    return row


def _find_repeat(
    account: CreditAccount, key: str, request: CreditSpendRequest
) -> CreditSpending | None:
    row = find_use(
        project_id=account.project_id,
        customer_id=account.customer_id,
        key=key,
        feature=request.feature,
        units=-1 if request.units is None else request.units,
        amount=request.amount,
    )
    if row is None:
        return None
    return CreditSpending(row.pk, row.amount, row.balance, _shares(row), is_repeat=True)


def _shares(row: CreditTransaction) -> list[CreditShare]:
    legs = [
        CreditLeg(entry.grant_id, CreditBucket(entry.bucket), entry.amount)
        for entry in row.entries.all()
    ]
    return [CreditShare(leg.grant, leg.amount) for leg in legs if leg.amount > 0]


def _not_enough(balance: int, amount: int) -> NotEnoughCredits:
    return NotEnoughCredits(
        f"{amount} credits are asked for and {balance} can be spent. Top up, or ask for less.",
        balance=balance,
        needed=amount,
    )
