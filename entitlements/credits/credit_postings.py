"""Post what is due of credit grants to the ledger, with the events of it.

The caller holds the account's lock.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from entitlements.balances.selectors import credits
from entitlements.credits import credit_events, credit_ledger
from entitlements.credits import credit_representation as representation
from entitlements.credits.credit_ledger import PostingNote
from entitlements.models import CreditAccount, CreditGrant
from entitlements.resolution.credit_allocation import (
    CreditBucket,
    CreditMovement,
    PlannedTransaction,
    plan_due_transactions,
)

NO_NOTE = PostingNote()
TOP_UPS = frozenset({CreditMovement.GRANT, CreditMovement.RESTORE})


def post_grant(
    account: CreditAccount,
    grant: CreditGrant,
    *,
    at: datetime,
    before: Mapping[str, object],
    note: PostingNote = NO_NOTE,
) -> bool:
    """Post the transactions that are missing. Returns whether there were any.

    Their events name what has changed since ``before``: the grant as the tenant saw it last.
    """
    steps = plan(grant, at)
    if not steps:
        return False
    balance = post_steps(account, grant, steps=steps, at=at, note=note)
    events = credit_events.build_posted(account, grant, steps=steps, before=before, at=at)
    credit_events.record(account, events, at=at)
    if steps[-1].movement in TOP_UPS:
        credit_ledger.record_top_up(account=account, balance=balance, at=at)
    else:
        credit_ledger.notify_low(account=account, balance=balance, at=at)
    return True


def post_due(*, account: CreditAccount, grant_ids: Collection[str], at: datetime) -> int:
    """Post what is due of these grants after credits have returned to them. Returns the balance."""
    rows = CreditGrant.objects.for_project(account.project_id).filter(pk__in=grant_ids)
    for grant in rows.order_by("id"):
        grant.customer = account.customer
        post_grant(account, grant, at=at, before=representation.grant(grant, at=at))
    return credits.balance(project_id=account.project_id, customer_id=account.customer_id, at=at)


def plan(grant: CreditGrant, at: datetime) -> list[PlannedTransaction]:
    """The transactions that are missing to what is due of the grant."""
    return plan_due_transactions(grant.lot, due=grant.due, is_withheld=grant.is_withheld, at=at)


def post_steps(
    account: CreditAccount,
    grant: CreditGrant,
    *,
    steps: Sequence[PlannedTransaction],
    at: datetime,
    note: PostingNote = NO_NOTE,
) -> int:
    """Write these transactions. Returns the balance after them."""
    is_live = grant.lot.is_live(at)
    balance = credits.balance(project_id=account.project_id, customer_id=account.customer_id, at=at)
    for step in steps:
        change = sum(leg.amount for leg in step.legs if leg.bucket == CreditBucket.AVAILABLE)
        balance += change if is_live else 0
        credit_ledger.post(
            account=account,
            movement=step.movement,
            legs=step.legs,
            balance=balance,
            note=note,
            at=at,
        )
    return balance
