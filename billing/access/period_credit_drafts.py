"""Draft the credit grants of a subscription from the payments for its periods. Nothing is written;
``docs/credits.md`` has the rules.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing.access import credit_terms
from billing.access.credit_terms import CreditPeriod, PlanCredits
from billing.access.selectors.plan_periods import PeriodKey, PlanPeriods
from entitlements.credits import credit_grant_terms
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.models import CreditGrant

RENEWAL_MARGIN = timedelta(hours=72)
"""How long a period's credits stay valid in the next period, until that is paid: Stripe collects a
renewal one hour after it began, and at most three days later if webhooks are not answered."""


@dataclass(frozen=True, slots=True)
class PeriodGrantDraft:
    """The terms that a grant should have; ``grant`` is None for a grant to be created."""

    key: PeriodKey
    grant: CreditGrant | None
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
            return f"credits of {self.key}: not given, {self.terms.due} are due"
        return credit_grant_terms.describe_change(self.grant, self.terms)


def draft_grants(
    periods: PlanPeriods,
    *,
    grants: Sequence[CreditGrant],
    plans: Sequence[CreditGrant],
    at: datetime,
) -> tuple[list[PeriodGrantDraft], Mapping[str, int]]:
    """Drafts of all grants of one subscription, new ones first; and by grant of the customer, the
    credits that it withholds for overdrafts of other plans.

    ``grants`` are the existing grants of the subscription, ``plans`` those of all subscriptions of
    the customer.
    """
    drafts = [*_draft_new(periods, grants), *(_draft_revision(periods, grant) for grant in grants)]
    carried = _find_carried(plans, drafts, at)
    final = []
    for draft in drafts:
        withheld = carried[_grant_key(draft.grant, draft.key)]
        terms = replace(draft.terms, amount=draft.terms.amount - withheld, carried=withheld)
        final.append(replace(draft, terms=_apply_status(periods, draft.key, terms)))
    return final, carried


def key_of(grant: CreditGrant) -> PeriodKey:
    """The period that the grant is for."""
    assert grant.ends_at is not None
    return PeriodKey(grant.product_id, grant.ends_at)


def _draft_new(periods: PlanPeriods, grants: Iterable[CreditGrant]) -> list[PeriodGrantDraft]:
    """Drafts for running periods without a grant. A revoked grant is not created again."""
    if not periods.is_giving:
        return []
    granted = {key_of(grant) for grant in grants}
    drafts = []
    for key in periods.running:
        product = periods.products[key.product_id]
        if key in granted or key.ends_at <= periods.at or periods.remaining_access(key) is None:
            continue
        amount = periods.amount(key, rate=product.credits_amount)
        if amount:
            drafts.append(PeriodGrantDraft(key, None, _new_terms(periods, key, amount)))
    return drafts


def _new_terms(periods: PlanPeriods, key: PeriodKey, amount: int) -> CreditGrantTerms:
    product, starts_at = periods.products[key.product_id], periods.starts_at(key)
    days = product.credits_expire_after_days
    last = key.ends_at + RENEWAL_MARGIN
    return CreditGrantTerms(
        amount=amount,
        due=0,
        ends_at=key.ends_at,
        expires_at=credit_terms.expiry(starts_at, ends_at=last, days=days),
        outlives_period=days is not None,
        is_free=periods.is_free(key),
        product_id=product.pk,
        quantity=_quantity(periods, key),
        rate=product.credits_amount,
    )


def _draft_revision(periods: PlanPeriods, grant: CreditGrant) -> PeriodGrantDraft:
    """The draft of an existing grant, from the payments for its period that are mirrored now."""
    key, terms = key_of(grant), credit_grant_terms.terms_of(grant)
    terms = replace(terms, amount=grant.amount + grant.carried)
    if grant.rate:
        terms = replace(
            terms,
            amount=_amount(periods, grant),
            is_free=periods.is_free(key),
            quantity=_quantity(periods, key) or grant.quantity,
        )
    return PeriodGrantDraft(key, grant, terms)


def _amount(periods: PlanPeriods, grant: CreditGrant) -> int:
    """Credits of the grant's period. A free period that ended early gave its elapsed part."""
    key = key_of(grant)
    if not periods.is_free(key) or key in periods.running:
        return periods.amount(key, rate=grant.rate)
    until = periods.ended_at(key) or periods.at
    whole = CreditPeriod(grant.starts_at, key.ends_at)
    granted, most = grant.amount + grant.carried, grant.rate * grant.quantity
    return min(granted, credit_terms.elapsed_part(most, period=whole, until=until))


def _apply_status(
    periods: PlanPeriods, key: PeriodKey, terms: CreditGrantTerms
) -> CreditGrantTerms:
    """The terms with expiry and withholding by the subscription's status and its payments."""
    terms = credit_terms.apply_remaining_access(
        replace(terms, expires_at=_expiry(periods, key, terms)), periods.remaining_access(key)
    )
    is_over = periods.subscription.has_ended or key not in periods.running
    if is_over or periods.is_giving:
        return terms
    return replace(terms, is_withheld=True)


def _expiry(periods: PlanPeriods, key: PeriodKey, terms: CreditGrantTerms) -> datetime | None:
    """When the credits expire. Those with their own lifetime keep it; all others end with the
    subscription, or with the margin after their period, or once the next period is paid or its
    payment has failed."""
    if terms.outlives_period or terms.expires_at is None:
        return terms.expires_at
    is_running = key in periods.running
    ends = [key.ends_at + RENEWAL_MARGIN if is_running else terms.expires_at]
    if periods.subscription.has_ended:
        ends.append(periods.subscription.ended_at or periods.at)
    elif periods.subscription.cancel_at is not None:
        ends.append(periods.subscription.cancel_at)
    if not is_running and (periods.has_paid_successor(key) or not periods.is_giving):
        ends.append(periods.at)
    return min(ends)


def _find_carried(
    plans: Sequence[CreditGrant], drafts: Sequence[PeriodGrantDraft], at: datetime
) -> Mapping[str, int]:
    """Credits withheld for other plans, by grant id, or by period key for a new grant."""
    terms = {_grant_key(draft.grant, draft.key): draft.terms for draft in drafts}
    credits_by_key = {
        grant.pk: _plan_credits(grant, terms.get(grant.pk), at)
        for grant in plans
        if grant.revoked_at is None
    }
    credits_by_key |= {
        str(draft.key): PlanCredits(
            period=CreditPeriod(at, draft.key.ends_at),
            amount=draft.terms.amount,
            used=0,
            carried=0,
            is_free=draft.terms.is_free,
            is_open=True,
        )
        for draft in drafts
        if draft.grant is None
    }
    carried = dict(
        zip(credits_by_key, credit_terms.carry_over(list(credits_by_key.values())), strict=True)
    )
    return {**{grant.pk: grant.carried for grant in plans}, **carried}


def _plan_credits(grant: CreditGrant, terms: CreditGrantTerms | None, at: datetime) -> PlanCredits:
    return PlanCredits(
        period=CreditPeriod(grant.starts_at, key_of(grant).ends_at),
        amount=terms.amount if terms else grant.amount + grant.carried,
        used=grant.spent + grant.reserved,
        carried=grant.carried,
        is_free=terms.is_free if terms else grant.is_free,
        is_open=grant.lot.is_live(at) and grant.rate > 0,
    )


def _quantity(periods: PlanPeriods, key: PeriodKey) -> int:
    return sum(item.quantity for item in periods.running.get(key, ()))


def _grant_key(grant: CreditGrant | None, key: PeriodKey) -> str:
    return grant.pk if grant is not None else str(key)
