"""Draft the credit grants of a purchase: one per line, reduced by refunds and disputes.

The number of credits is stored on the line when it is fulfilled; a later change of the product does
not matter. The caller of a function that writes holds the customer's lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.access import credit_terms
from billing.access.policies import RemainingAccess
from billing.access.purchase_facts import LineAccess
from billing.models import Checkout, CheckoutLine, Product
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource

CREDIT_FIELDS = ("credits_amount", "credits_priority", "credits_expire_after_days")
"""Fields that a line copies from its product."""


@dataclass(frozen=True, slots=True)
class PurchaseGrantDraft:
    """The terms that the grant of a line should have; ``grant`` is None for one to be created."""

    line: CheckoutLine
    grant: CreditGrant | None
    starts_at: datetime
    terms: CreditGrantTerms

    @property
    def is_change(self) -> bool:
        """Whether the grant is to be created or its terms differ. A grant that a person has revoked
        never changes."""
        if self.grant is None:
            return True
        return (
            self.grant.revoked_at is None and credit_grant_terms.terms_of(self.grant) != self.terms
        )

    def __str__(self) -> str:
        if self.grant is None:
            return f"credits of {self.line.pk}: not given, {self.terms.due} are due"
        return credit_grant_terms.describe_change(self.grant, self.terms)


def plan(
    checkouts: Sequence[Checkout], line_access: Mapping[str, LineAccess], *, at: datetime
) -> dict[str, list[PurchaseGrantDraft]]:
    """Drafts by checkout id. The checkouts are of one project. One query."""
    if not checkouts:
        return {}
    grants_by_source = credits.grants_of_sources(
        project=checkouts[0].project_id,
        source_type=CreditSource.CHECKOUT,
        source_ids=[each.pk for each in checkouts],
    )
    return {
        checkout.pk: _draft_grants(
            line_access[checkout.pk], {each.key: each for each in grants_by_source[checkout.pk]}, at
        )
        for checkout in checkouts
    }


def record_amounts(line_access: LineAccess, *, at: datetime) -> None:
    """Store on each newly fulfilled line the number of credits that it gives."""
    for line, remaining in line_access:
        if line.credits_amount is None and _is_new(line, remaining, at):
            for name in CREDIT_FIELDS:
                setattr(line, name, getattr(line.price.product, name))
            line.save(update_fields=CREDIT_FIELDS)


def _draft_grants(
    line_access: LineAccess, grants_by_line: Mapping[str, CreditGrant], at: datetime
) -> list[PurchaseGrantDraft]:
    drafts = []
    for line, remaining in line_access:
        if grant := grants_by_line.get(line.pk):
            terms = credit_terms.apply_remaining_access(_revised_terms(line, grant), remaining)
            drafts.append(PurchaseGrantDraft(line, grant, grant.starts_at, terms))
        elif not line.price.is_recurring and (draft := _draft_new(line, remaining, at)):
            drafts.append(draft)
    return drafts


def _draft_new(
    line: CheckoutLine, remaining: RemainingAccess | None, at: datetime
) -> PurchaseGrantDraft | None:
    """The draft of a line without a grant: newly fulfilled, or its grant is missing."""
    source: CheckoutLine | Product = line
    if line.credits_amount is None:
        if not _is_new(line, remaining, at):
            return None
        source = line.price.product
    elif remaining is None:
        return None
    if not source.credits_amount:
        return None
    starts_at = line.fulfilled_at or at
    terms = CreditGrantTerms(
        amount=source.credits_amount * line.quantity,
        due=0,
        expires_at=credit_terms.expiry(starts_at, days=source.credits_expire_after_days),
        product_id=line.price.product_id,
        quantity=line.quantity,
    )
    return PurchaseGrantDraft(
        line, None, starts_at, credit_terms.apply_remaining_access(terms, remaining)
    )


def _revised_terms(line: CheckoutLine, grant: CreditGrant) -> CreditGrantTerms:
    """The grant's terms from its line; unchanged if the line has no stored number of credits."""
    terms = credit_grant_terms.terms_of(grant)
    if line.credits_amount is None:
        return terms
    return replace(
        terms,
        amount=line.credits_amount * line.quantity,
        quantity=line.quantity,
        expires_at=credit_terms.expiry(grant.starts_at, days=line.credits_expire_after_days),
    )


def _is_new(line: CheckoutLine, remaining: RemainingAccess | None, at: datetime) -> bool:
    """Whether the line is fulfilled for the first time now."""
    return line.fulfilled_at == at or (line.fulfilled_at is None and remaining is not None)
