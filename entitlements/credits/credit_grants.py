"""Give credits, change what is due of them, take them back.

A source states terms and the difference is posted. Spent or reserved credits are never taken back:
credits that were spent without a right to them show as ``overspent``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from common.errors import Invalid
from common.ids import new_id
from entitlements.balances.selectors import credits
from entitlements.credits import credit_accounts, credit_events, credit_postings
from entitlements.credits import credit_representation as representation
from entitlements.credits.credit_grant_terms import CreditGrantTerms, terms_of
from entitlements.credits.credit_ledger import PostingNote
from entitlements.errors import GrantExpired
from entitlements.models import CreditAccount, CreditGrant
from entitlements.models.credit_grant import CreditSource
from events.audit import audit_trail as audit
from events.catalog import EventType
from projects.customers import selectors as customer_rows
from projects.customers import service as customers
from projects.models import Customer, Project

DEFAULT_PRIORITY = 50
TERM_FIELDS = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditOrigin:
    """The source of a credit grant, the key of the grant within the source, and when it starts."""

    source_type: CreditSource
    source_id: str
    key: str
    starts_at: datetime


def give(
    *,
    customer: Customer,
    origin: CreditOrigin,
    terms: CreditGrantTerms,
    at: datetime,
    priority: int = DEFAULT_PRIORITY,
    reason: str = "",
    actor: str = "",
) -> CreditGrant:
    """Create a credit grant and post what is due of it. The caller holds the customer's lock."""
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
        _set_terms(grant, terms, at)
        grant.save(force_insert=True)
        credit_postings.post_grant(
            account, grant, at=at, before={}, note=PostingNote(reason=reason, actor=actor)
        )
        return credits.grant(project=grant.project_id, grant_id=grant.pk)


def revise(
    *,
    customer: Customer,
    grant: CreditGrant,
    terms: CreditGrantTerms,
    at: datetime,
    reason: str = "",
) -> bool:
    """Set the grant's terms and post the difference. Returns whether there was one.

    The caller holds the customer's lock. A revoked grant is not changed.
    """
    if grant.revoked_at is not None or terms_of(grant) == terms:
        return False
    with transaction.atomic():
        account = credit_accounts.ensure(customer)
        grant = credits.grant(project=grant.project_id, grant_id=grant.pk)
        before = representation.grant(grant, at=at)
        _set_terms(grant, terms, at)
        grant.save(update_fields=TERM_FIELDS)
        note = PostingNote(reason=reason)
        if not credit_postings.post_grant(account, grant, at=at, before=before, note=note):
            _record_update(account, grant, EventType.CREDITS_UPDATED, before, at)
    return True


def give_by_hand(
    *,
    project: Project,
    user_id: str,
    amount: int,
    reason: str,
    actor: str,
    at: datetime,
    priority: int = DEFAULT_PRIORITY,
    expires_at: datetime | None = None,
) -> CreditGrant:
    """Give credits by hand, with a reason; audited. Creates the customer if needed.

    Raises Invalid without a reason and for an expiry in the past.
    """
    _check_reason(reason)
    if expires_at is not None and expires_at <= at:
        raise Invalid("The expiry must lie in the future.", field="expires_at")
    with transaction.atomic():
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        customer = customer_rows.lock(project_id=project.pk, customer_id=customer.pk)
        origin = CreditOrigin(
            source_type=CreditSource.OPERATOR,
            source_id=customer.pk,
            key=new_id("hand"),
            starts_at=at,
        )
        grant = give(
            customer=customer,
            origin=origin,
            terms=CreditGrantTerms(amount=amount, due=amount, expires_at=expires_at),
            at=at,
            priority=priority,
            reason=reason,
            actor=actor,
        )
        _audit(grant, "credits.grant", actor, reason, at)
    return grant


def revoke(*, grant: CreditGrant, reason: str, actor: str, at: datetime) -> CreditGrant:
    """Take back what is left of a grant; reserved credits follow when they are released. Audited.

    A second call changes nothing. Raises Invalid without a reason, GrantExpired when the grant has
    expired.
    """
    _check_reason(reason)
    with transaction.atomic():
        customer = customer_rows.lock(project_id=grant.project_id, customer_id=grant.customer_id)
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
        note = PostingNote(reason=reason, actor=actor)
        if not credit_postings.post_grant(account, grant, at=at, before=before, note=note):
            _record_update(account, grant, EventType.CREDITS_REVOKED, before, at)
        grant.refresh_from_db()
        _audit(grant, "credits.revoke", actor, reason, at, before=before)
    return grant


def _set_terms(grant: CreditGrant, terms: CreditGrantTerms, at: datetime) -> None:
    grant.amount, grant.due = terms.amount, terms.due
    grant.product_id, grant.quantity = terms.product_id, terms.quantity
    grant.rate, grant.carried = terms.rate, terms.carried
    grant.ends_at, grant.expires_at = terms.ends_at, terms.expires_at
    grant.outlives_period, grant.is_free = terms.outlives_period, terms.is_free
    grant.withheld_at = (grant.withheld_at or at) if terms.is_withheld else None


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Send a reason: it is recorded in the audit trail.", field="reason")


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


def _record_update(
    account: CreditAccount,
    grant: CreditGrant,
    event_type: EventType,
    before: Mapping[str, object],
    at: datetime,
) -> None:
    events = credit_events.build_updated(
        account, grant, event_type=event_type, before=before, at=at
    )
    credit_events.record(account, events, at=at)
