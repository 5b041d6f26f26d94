"""Give credits, change what is due of them, take them back, let them expire.

What a source gives is stated; the difference is booked. Nothing that was spent or is reserved is
ever taken back: what there was no right to shows as ``overspent``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from common.errors import Invalid
from common.fair_queue import QueueRun, RetryRule
from common.ids import new_id
from entitlements.balances.selectors import credits
from entitlements.credits import credit_accounts, credit_ledger
from entitlements.credits import credit_representation as representation
from entitlements.credits.credit_grant_terms import Terms, terms_of
from entitlements.credits.credit_ledger import Note
from entitlements.errors import GrantExpired
from entitlements.models import CreditAccount, CreditGrant
from entitlements.models.credit_grant import CreditSource
from entitlements.resolution.credit_allocation import Bucket, Movement, come_to
from events.services import audit
from projects.customers import selectors as stored_customers
from projects.customers import service as customers
from projects.models import Customer, Project

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="credit_expiry", attempts=20)

USUAL_PRIORITY = 50
TERMS = (
    "amount",
    "due",
    "product_id",
    "quantity",
    "rate",
    "carried",
    "ends_at",
    "expires_at",
    "outlives_period",
    "is_free",
    "withheld_at",
)
TOP_UPS = frozenset({Movement.GRANT, Movement.RESTORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where credits come from: a source, which of its grants this is, since when it gives them."""

    source_type: CreditSource
    source_id: str
    key: str
    starts_at: datetime


def give(
    *,
    customer: Customer,
    origin: Origin,
    terms: Terms,
    at: datetime,
    priority: int = USUAL_PRIORITY,
    reason: str = "",
    actor: str = "",
) -> CreditGrant:
    """A new grant of credits, with what is due of it. The caller holds the customer's lock."""
    with transaction.atomic():
        account = credit_accounts.ensure(customer)
        grant = CreditGrant(
            project_id=customer.project_id,
            customer=customer,
            source_type=origin.source_type,
            source_id=origin.source_id,
            key=origin.key,
            starts_at=origin.starts_at,
            priority=priority,
            granted_at=at,
            reason=reason,
            created_by=actor,
        )
        _write(grant, terms, at)
        grant.save(force_insert=True)
        _come_to_what_is_due(account, grant, at, reason=reason, actor=actor)
        return credits.grant(project=grant.project_id, grant_id=grant.pk)


def revise(
    *, customer: Customer, grant: CreditGrant, terms: Terms, at: datetime, reason: str = ""
) -> bool:
    """Make these the grant's terms and book the difference; whether there was one.

    The caller holds the customer's lock. A grant that was revoked stays as it is.
    """
    if grant.revoked_at is not None or terms_of(grant) == terms:
        return False
    with transaction.atomic():
        account = credit_accounts.ensure(customer)
        grant = credits.grant(project=grant.project_id, grant_id=grant.pk)
        _write(grant, terms, at)
        grant.save(update_fields=TERMS)
        _come_to_what_is_due(account, grant, at, reason=reason)
    return True


def give_by_hand(
    *,
    project: Project,
    user_id: str,
    amount: int,
    reason: str,
    actor: str,
    at: datetime,
    priority: int = USUAL_PRIORITY,
    expires_at: datetime | None = None,
) -> CreditGrant:
    """Credits that a person gives, with a reason; audited. The customer is made if this is the
    first thing about the user.

    Raises Invalid without a reason and for an expiry that has passed.
    """
    _check_reason(reason)
    if expires_at is not None and expires_at <= at:
        raise Invalid("The expiry must lie in the future.", field="expires_at")
    with transaction.atomic():
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        customer = stored_customers.lock(project_id=project.pk, customer_id=customer.pk)
        origin = Origin(
            source_type=CreditSource.OPERATOR,
            source_id=customer.pk,
            key=new_id("hand"),
            starts_at=at,
        )
        grant = give(
            customer=customer,
            origin=origin,
            terms=Terms(amount=amount, due=amount, expires_at=expires_at),
            at=at,
            priority=priority,
            reason=reason,
            actor=actor,
        )
        _audit(grant, "credits.grant", actor, reason, at)
    return grant


def revoke(*, grant: CreditGrant, reason: str, actor: str, at: datetime) -> CreditGrant:
    """Take back what is left of a grant, whatever it came from; what is reserved follows if it is
    not used. Revoking twice is the same as once. Audited.

    Raises Invalid without a reason, GrantExpired when there is nothing left because of that.
    """
    _check_reason(reason)
    with transaction.atomic():
        customer = stored_customers.lock(project_id=grant.project_id, customer_id=grant.customer_id)
        account = credit_accounts.ensure(customer)
        grant = credits.grant(project=grant.project_id, grant_id=grant.pk)
        if grant.revoked_at is not None:
            return grant
        if not grant.lot.is_live(at):
            raise GrantExpired("These credits have expired; there is nothing left to take back.")
        before = representation.grant(grant, at=at)
        grant.due, grant.withheld_at = 0, None
        grant.revoked_at, grant.revoked_by, grant.revoked_reason = at, actor, reason
        grant.save(
            update_fields=["due", "withheld_at", "revoked_at", "revoked_by", "revoked_reason"]
        )
        _come_to_what_is_due(account, grant, at, reason=reason, actor=actor)
        grant.refresh_from_db()
        _audit(grant, "credits.revoke", actor, reason, at, before=before)
    return grant


def expire_due(*, at: datetime, limit: int) -> int:
    """Book what has expired, and tell who runs low by that; how many grants."""
    run = QueueRun(RULE)
    due = credits.due_to_expire(at=at, limit=limit, rule=RULE)
    return sum(run.attempt(lambda row: _expire(row, at), each) for each in due)


def settle_due(*, account: CreditAccount, grant_ids: Collection[str], at: datetime) -> int:
    """Let grants to which something came back be what is due of them; the balance after that."""
    rows = CreditGrant.objects.for_project(account.project_id).filter(pk__in=grant_ids)
    for grant in rows.order_by("id"):
        _come_to_what_is_due(account, grant, at)
    return credits.balance(project_id=account.project_id, customer_id=account.customer_id, at=at)


def _expire(due: CreditGrant, at: datetime) -> bool:
    with transaction.atomic():
        account = credits.lock(project_id=due.project_id, customer_id=due.customer_id)
        grant = credits.grant(project=due.project_id, grant_id=due.pk)
        return account is not None and _come_to_what_is_due(account, grant, at)


def _come_to_what_is_due(
    account: CreditAccount, grant: CreditGrant, at: datetime, *, reason: str = "", actor: str = ""
) -> bool:
    """Book what has to happen, if anything has to."""
    lot = grant.lot
    steps = come_to(lot, due=grant.due, is_withheld=grant.is_withheld, at=at)
    if not steps:
        return False
    balance = credits.balance(project_id=account.project_id, customer_id=account.customer_id, at=at)
    for step in steps:
        moved = sum(leg.amount for leg in step.legs if leg.bucket == Bucket.AVAILABLE)
        balance += moved if lot.is_live(at) else 0
        credit_ledger.post(
            account=account,
            movement=step.movement,
            legs=step.legs,
            balance=balance,
            note=Note(reason=reason, actor=actor),
            at=at,
        )
    if steps[-1].movement in TOP_UPS:
        credit_ledger.rose(account=account, balance=balance, at=at)
    else:
        credit_ledger.fell(account=account, balance=balance, at=at)
    return True


def _write(grant: CreditGrant, terms: Terms, at: datetime) -> None:
    grant.amount, grant.due = terms.amount, terms.due
    grant.product_id, grant.quantity = terms.product_id, terms.quantity
    grant.rate, grant.carried = terms.rate, terms.carried
    grant.ends_at, grant.expires_at = terms.ends_at, terms.expires_at
    grant.outlives_period, grant.is_free = terms.outlives_period, terms.is_free
    grant.withheld_at = (grant.withheld_at or at) if terms.is_withheld else None


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Say why: the reason is kept in the audit trail.", field="reason")


def _audit(
    grant: CreditGrant,
    action: str,
    actor: str,
    reason: str,
    at: datetime,
    **was: Mapping[str, object],
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=grant.pk,
        project_id=grant.project_id,
        at=at,
        reason=reason,
        after=representation.grant(grant, at=at),
        **was,
    )
