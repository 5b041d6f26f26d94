"""What each grant of a subscription's credits has to say, by the money for its periods: values in,
values out, nothing written. The law stands in ``docs/credits.md``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing.access import credit_terms
from billing.access.credit_terms import Period, PlanCredits
from billing.access.selectors.plan_periods import PeriodKey, PlanPeriods
from entitlements.credits import credit_grant_terms
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.models import CreditGrant

RENEWAL_MARGIN = timedelta(hours=72)
"""How long a period's credits last into the next one, until that is paid: Stripe collects a renewal
an hour after it has begun, and at most three days later where webhooks are not answered."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a grant has to say; ``grant`` is None for one to be given."""

    key: PeriodKey
    grant: CreditGrant | None
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
            return f"credits of {self.key}: not given, {self.terms.due} are due"
        return credit_grant_terms.describe_change(self.grant, self.terms)


def of_periods(
    periods: PlanPeriods, *, held: Sequence[CreditGrant], plans: Sequence[CreditGrant], at: datetime
) -> tuple[list[Draft], Mapping[str, int]]:
    """What every grant of one subscription has to say, those to be given first; and how many fewer
    each plan of the customer gives for what was spent beyond the money of others, by grant.

    ``held`` are those of the subscription, ``plans`` those of all of the customer's.
    """
    drafts = [*_new(periods, held), *(_revised(periods, grant) for grant in held)]
    carried = _carried(plans, drafts, at)
    final = []
    for draft in drafts:
        less = carried[_name(draft.grant, draft.key)]
        terms = replace(draft.terms, amount=draft.terms.amount - less, carried=less)
        final.append(replace(draft, terms=_standing(periods, draft.key, terms)))
    return final, carried


def key_of(grant: CreditGrant) -> PeriodKey:
    """The period that the grant is for."""
    assert grant.ends_at is not None
    return PeriodKey(grant.product_id, grant.ends_at)


def _new(periods: PlanPeriods, held: Iterable[CreditGrant]) -> list[Draft]:
    """What running periods give for the first time. A grant that was revoked is not given again."""
    if not periods.is_giving:
        return []
    there = {key_of(grant) for grant in held}
    found = []
    for key in periods.running:
        product = periods.products[key.product_id]
        if key in there or key.ends_at <= periods.at or periods.left(key) is None:
            continue
        amount = periods.amount(key, rate=product.credits_amount)
        if amount:
            found.append(Draft(key, None, _beginning(periods, key, amount)))
    return found


def _beginning(periods: PlanPeriods, key: PeriodKey, amount: int) -> CreditGrantTerms:
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


def _revised(periods: PlanPeriods, grant: CreditGrant) -> Draft:
    """What a grant gives by the money for its period as it is known now."""
    key, terms = key_of(grant), credit_grant_terms.terms_of(grant)
    terms = replace(terms, amount=grant.amount + grant.carried)
    if grant.rate:
        terms = replace(
            terms,
            amount=_amount(periods, grant),
            is_free=periods.is_free(key),
            quantity=_quantity(periods, key) or grant.quantity,
        )
    return Draft(key, grant, terms)


def _amount(periods: PlanPeriods, grant: CreditGrant) -> int:
    """A free period that is over in the middle gave the share that had passed by then."""
    key = key_of(grant)
    if not periods.is_free(key) or key in periods.running:
        return periods.amount(key, rate=grant.rate)
    until = periods.ended_at(key) or periods.at
    whole = Period(grant.starts_at, key.ends_at)
    given, most = grant.amount + grant.carried, grant.rate * grant.quantity
    return min(given, credit_terms.passed(most, period=whole, until=until))


def _standing(periods: PlanPeriods, key: PeriodKey, terms: CreditGrantTerms) -> CreditGrantTerms:
    """The terms as the subscription and its money stand."""
    terms = credit_terms.after(
        replace(terms, expires_at=_expiry(periods, key, terms)), periods.left(key)
    )
    is_over = periods.subscription.has_ended or key not in periods.running
    if is_over or periods.is_giving:
        return terms
    return replace(terms, is_withheld=True)


def _expiry(periods: PlanPeriods, key: PeriodKey, terms: CreditGrantTerms) -> datetime | None:
    """With the period, unless it outlives that: as the subscription ends, or as the next period has
    its money or has failed to get it."""
    if terms.outlives_period or terms.expires_at is None:
        return terms.expires_at
    is_running = key in periods.running
    ends = [key.ends_at + RENEWAL_MARGIN if is_running else terms.expires_at]
    if periods.subscription.has_ended:
        ends.append(periods.subscription.ended_at or periods.at)
    elif periods.subscription.cancel_at is not None:
        ends.append(periods.subscription.cancel_at)
    if not is_running and (periods.is_followed(key) or not periods.is_giving):
        ends.append(periods.at)
    return min(ends)


def _carried(
    plans: Sequence[CreditGrant], drafts: Sequence[Draft], at: datetime
) -> Mapping[str, int]:
    """By grant, or period of one to be given, how many fewer it gives."""
    terms = {_name(draft.grant, draft.key): draft.terms for draft in drafts}
    found = {
        grant.pk: _plan(grant, terms.get(grant.pk), at)
        for grant in plans
        if grant.revoked_at is None
    }
    found |= {
        str(draft.key): PlanCredits(
            period=Period(at, draft.key.ends_at),
            amount=draft.terms.amount,
            used=0,
            carried=0,
            is_free=draft.terms.is_free,
            is_open=True,
        )
        for draft in drafts
        if draft.grant is None
    }
    carried = dict(zip(found, credit_terms.carry(list(found.values())), strict=True))
    return {**{grant.pk: grant.carried for grant in plans}, **carried}


def _plan(grant: CreditGrant, terms: CreditGrantTerms | None, at: datetime) -> PlanCredits:
    return PlanCredits(
        period=Period(grant.starts_at, key_of(grant).ends_at),
        amount=terms.amount if terms else grant.amount + grant.carried,
        used=grant.spent + grant.reserved,
        carried=grant.carried,
        is_free=terms.is_free if terms else grant.is_free,
        is_open=grant.lot.is_live(at) and grant.rate > 0,
    )


def _quantity(periods: PlanPeriods, key: PeriodKey) -> int:
    return sum(item.quantity for item in periods.running.get(key, ()))


def _name(grant: CreditGrant | None, key: PeriodKey) -> str:
    return grant.pk if grant is not None else str(key)
