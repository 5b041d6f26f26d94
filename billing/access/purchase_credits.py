"""What each grant of a purchase's credits has to say: by line, once, less what went back.

How many a line gives is decided when it is given and written on the line: a later change of the
product is none of it. The caller of what writes holds the customer's lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.access import credit_terms
from billing.access.policies import Left
from billing.access.purchase_facts import Given
from billing.models import Checkout, CheckoutLine, Product
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource

COLUMNS = ("credits_amount", "credits_priority", "credits_expire_after_days")
"""What a line keeps of its product."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a grant has to say; ``grant`` is None for one to be given, for ``line``."""

    line: CheckoutLine
    grant: CreditGrant | None
    starts_at: datetime
    terms: CreditGrantTerms

    @property
    def is_change(self) -> bool:
        """Whether it is to be given, or held and says something else. What a person has revoked
        stays as it is."""
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
    checkouts: Sequence[Checkout], given: Mapping[str, Given], *, at: datetime
) -> dict[str, list[Draft]]:
    """By purchase, what its credits come to. The purchases are of one project. One query."""
    if not checkouts:
        return {}
    held = credits.grants_of_sources(
        project=checkouts[0].project_id,
        source_type=CreditSource.CHECKOUT,
        source_ids=[each.pk for each in checkouts],
    )
    return {
        page.pk: _drafts(given[page.pk], {each.key: each for each in held[page.pk]}, at)
        for page in checkouts
    }


def decide(given: Given, *, at: datetime) -> None:
    """Write on each line that is given for the first time how many credits come with it."""
    for line, left in given:
        if line.credits_amount is None and _is_new(line, left, at):
            for name in COLUMNS:
                setattr(line, name, getattr(line.price.product, name))
            line.save(update_fields=COLUMNS)


def _drafts(given: Given, held: Mapping[str, CreditGrant], at: datetime) -> list[Draft]:
    found = []
    for line, left in given:
        if grant := held.get(line.pk):
            terms = credit_terms.after(_revised(line, grant), left)
            found.append(Draft(line, grant, grant.starts_at, terms))
        elif not line.price.is_recurring and (draft := _missing(line, left, at)):
            found.append(draft)
    return found


def _missing(line: CheckoutLine, left: Left | None, at: datetime) -> Draft | None:
    """What is given for the first time, or was to be given and is not there."""
    source: CheckoutLine | Product = line
    if line.credits_amount is None:
        if not _is_new(line, left, at):
            return None
        source = line.price.product
    elif left is None:
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
    return Draft(line, None, starts_at, credit_terms.after(terms, left))


def _revised(line: CheckoutLine, grant: CreditGrant) -> CreditGrantTerms:
    """What the line gives; of one that was given before that was written on it, what was said."""
    terms = credit_grant_terms.terms_of(grant)
    if line.credits_amount is None:
        return terms
    return replace(
        terms,
        amount=line.credits_amount * line.quantity,
        quantity=line.quantity,
        expires_at=credit_terms.expiry(grant.starts_at, days=line.credits_expire_after_days),
    )


def _is_new(line: CheckoutLine, left: Left | None, at: datetime) -> bool:
    """Whether it is given for the first time, by whatever happens now."""
    return line.fulfilled_at == at or (line.fulfilled_at is None and left is not None)
