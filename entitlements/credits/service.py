"""Spend credits, and set them aside until they are used or given back.

However many ask at once, no credit is spent twice: all of a customer's movements queue at the
account's row, and the database refuses a grant below nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_accounts, credit_grants, credit_ledger
from entitlements.credits.credit_ledger import Note
from entitlements.errors import CreditsKeyReused, NotEnoughCredits
from entitlements.models import CreditAccount, CreditTransaction
from entitlements.resolution.credit_allocation import (
    Bucket,
    Leg,
    Movement,
    Share,
    allocate,
    divide,
    moved,
)
from projects.customers import selectors as customers
from projects.models import Customer, Project

TAKEN_TO = {Movement.SPEND: Bucket.SPENT, Movement.HOLD: Bucket.RESERVED}


@dataclass(frozen=True, slots=True)
class Spent:
    """What was taken, from which grants, and what can be spent after it.

    ``is_repeat`` says that the same key was spent before: nothing was taken now, and ``balance``
    is that of then.
    """

    transaction_id: str
    amount: int
    balance: int
    shares: Sequence[Share]
    is_repeat: bool = False


def spend(
    *,
    project_id: str,
    customer_id: str,
    amount: int,
    at: datetime,
    key: str | None = None,
    feature: str = "",
    units: int | None = None,
    reason: str = "",
    actor: str = "",
) -> Spent:
    """Take ``amount`` credits, all or none; again with the same key is the same as once.

    ``units`` is how much of the feature they pay for: the same use again is the same whatever it
    costs by now, and one that costs nothing is written down under its key too. Raises
    NotEnoughCredits, and CreditsKeyReused when the key was spent on something else.
    """
    try:
        with transaction.atomic():
            account = _lock(project_id, customer_id, amount)
            if key is not None and (was := _repeated(account, key, amount, feature, units)):
                return was
            note = Note(key=key, units=units, feature=feature, reason=reason, actor=actor)
            return _take(account, amount, movement=Movement.SPEND, note=note, at=at)
    except IntegrityError as error:
        if key is None or credits.find_transaction(project_id=project_id, key=key) is None:
            raise
        raise CreditsKeyReused(OTHER_USE) from error


def spend_for(
    *,
    project: Project,
    user_id: str,
    amount: int,
    at: datetime,
    key: str | None = None,
    feature: str = "",
    reason: str = "",
    actor: str = "",
) -> Spent:
    """As :func:`spend`, of a user; one whom nobody has heard of has nothing."""
    customer = customers.find(project=project, user_id=user_id)
    if customer is None:
        raise _not_enough(0, amount)
    return spend(
        project_id=project.pk,
        customer_id=customer.pk,
        amount=amount,
        at=at,
        key=key,
        feature=feature,
        reason=reason,
        actor=actor,
    )


def hold(
    *,
    project_id: str,
    customer_id: str,
    amount: int,
    at: datetime,
    reference: str,
    feature: str = "",
) -> Spent:
    """Set ``amount`` credits aside under a reference, until :func:`settle` or :func:`release`.

    What is set aside outlives its expiry. Raises NotEnoughCredits.
    """
    with transaction.atomic():
        account = _lock(project_id, customer_id, amount)
        note = Note(reference=reference, feature=feature)
        return _take(account, amount, movement=Movement.HOLD, note=note, at=at)


def settle(
    *,
    project_id: str,
    customer_id: str,
    reference: str,
    amount: int,
    at: datetime,
    feature: str = "",
) -> int:
    """Spend so much of what is set aside under the reference, and give back the rest; the balance
    after that.

    Nothing is set aside any more afterwards, so a second call changes nothing. What comes back
    to a grant that has expired, or that was taken back since, is gone. Raises ValueError when
    ``amount`` is more than was set aside.
    """
    with transaction.atomic():
        account = credits.lock(project_id=project_id, customer_id=customer_id)
        held = credits.reserved(project_id=project_id, customer_id=customer_id, reference=reference)
        if account is None or not held:
            return credits.balance(project_id=project_id, customer_id=customer_id, at=at)
        used, rest = divide([Share(grant.pk, left) for grant, left in held], amount)
        note = Note(reference=reference, feature=feature)
        return _divide(account, used, rest, note, at)


def _divide(
    account: CreditAccount, used: Sequence[Share], rest: Sequence[Share], note: Note, at: datetime
) -> int:
    who = {"project_id": account.project_id, "customer_id": account.customer_id}
    balance = credits.balance(**who, at=at)
    if used:
        credit_ledger.post(
            account=account,
            movement=Movement.SETTLE,
            legs=moved(used, Bucket.RESERVED, Bucket.SPENT),
            balance=balance,
            note=note,
            at=at,
        )
    if not rest:
        return balance
    live = credits.live(
        project_id=account.project_id, grant_ids=[each.grant for each in rest], at=at
    )
    credit_ledger.post(
        account=account,
        movement=Movement.RELEASE,
        legs=moved(rest, Bucket.RESERVED, Bucket.AVAILABLE),
        balance=balance + sum(share.amount for share in rest if share.grant in live),
        note=note,
        at=at,
    )
    returned = [share.grant for share in rest]
    return credit_grants.settle_due(account=account, grant_ids=returned, at=at)


def release(
    *, project_id: str, customer_id: str, reference: str, at: datetime, feature: str = ""
) -> int:
    """Give back all that is set aside under the reference; the balance after that."""
    return settle(
        project_id=project_id,
        customer_id=customer_id,
        reference=reference,
        amount=0,
        at=at,
        feature=feature,
    )


OTHER_USE = "Use a new key for each spending."


def _lock(project_id: str, customer_id: str, amount: int) -> CreditAccount:
    account = credits.lock(project_id=project_id, customer_id=customer_id)
    if account is None and not amount:
        return credit_accounts.ensure(Customer.objects.for_project(project_id).get(pk=customer_id))
    if account is None:
        raise _not_enough(0, amount)
    return account


def _take(
    account: CreditAccount, amount: int, *, movement: Movement, note: Note, at: datetime
) -> Spent:
    rows = credits.spendable(project_id=account.project_id, customer_id=account.customer_id, at=at)
    there = sum(row.available for row in rows)
    shares = allocate((row.lot for row in rows), amount, at=at)
    if shares is None:
        raise _not_enough(there, amount)
    balance = there - amount
    made = credit_ledger.post(
        account=account,
        movement=movement,
        legs=moved(shares, Bucket.AVAILABLE, TAKEN_TO[movement]),
        balance=balance,
        note=note,
        at=at,
    )
    credit_ledger.fell(account=account, balance=balance, at=at)
    return Spent(made.pk, amount, balance, shares)


def find_use(
    *, project_id: str, customer_id: str, key: str, feature: str, units: int, amount: int
) -> CreditTransaction | None:
    """What was written when exactly this use was paid for under the key. ``amount`` decides where
    the units of an old spending are not known. Raises CreditsKeyReused for something else."""
    was = credits.find_transaction(project_id=project_id, key=key)
    if was is None:
        return None
    is_same = was.amount == amount if was.units is None else was.units == units
    if (was.customer_id, was.feature) != (customer_id, feature) or not is_same:
        raise CreditsKeyReused(OTHER_USE)
    return was


def _repeated(
    account: CreditAccount, key: str, amount: int, feature: str, units: int | None
) -> Spent | None:
    was = find_use(
        project_id=account.project_id,
        customer_id=account.customer_id,
        key=key,
        feature=feature,
        units=-1 if units is None else units,
        amount=amount,
    )
    if was is None:
        return None
    return Spent(was.pk, was.amount, was.balance, _shares(was), is_repeat=True)


def _shares(was: CreditTransaction) -> list[Share]:
    legs = [Leg(each.grant_id, Bucket(each.bucket), each.amount) for each in was.entries.all()]
    return [Share(leg.grant, leg.amount) for leg in legs if leg.amount > 0]


def _not_enough(balance: int, amount: int) -> NotEnoughCredits:
    return NotEnoughCredits(
        f"{amount} credits are asked for and {balance} can be spent. Top up, or ask for less.",
        balance=balance,
        needed=amount,
    )
