"""The credits of a subscription: for each period of each of its products what the money for it
gives, once, whatever the ids of its items. The law stands in ``docs/credits.md``.

The caller holds the customer's lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing import credit_terms
from billing.credit_terms import Period, PlanCredits
from billing.models import Subscription
from billing.selectors import plan_periods
from billing.selectors.plan_periods import PeriodKey, PlanPeriods
from billing.selectors.receipts import Also
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from entitlements.selectors import credits
from entitlements.services import credit_grants
from entitlements.services.credit_grants import Origin, Terms
from projects.models import Customer

KEPT = timedelta(days=400)
"""How long after its start a period's credits still follow the money for it."""
RENEWAL_MARGIN = timedelta(hours=72)
"""How long a period's credits last into the next one, until that is paid: Stripe collects a renewal
an hour after it has begun, and at most three days later where webhooks are not answered."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a grant is to say before anything is carried; ``grant`` is None for one to be given."""

    key: PeriodKey
    grant: CreditGrant | None
    terms: Terms


def follow(*, subscription: Subscription, customer: Customer, at: datetime) -> None:
    """Give the credits of periods that are paid, and let those given before be what is due.

    What is given comes before what expires, so that nobody runs low in between.
    """
    plans = _plans(customer, at)
    held = _held(subscription, plans)
    if not held and not _gives_credits(subscription):
        return
    periods = _periods(subscription, held, at)
    drafts = [*_new(periods, held), *(_revised(periods, grant) for grant in held)]
    carried = _carried(plans, drafts, at)
    for draft in drafts:
        less = carried[_name(draft.grant, draft.key)]
        terms = replace(draft.terms, amount=draft.terms.amount - less, carried=less)
        terms = _standing(periods, draft.key, terms)
        if draft.grant is None:
            _give(periods, customer, draft.key, terms)
        else:
            credit_grants.revise(customer=customer, grant=draft.grant, terms=terms, at=at)
    _carry_elsewhere(subscription, plans, carried, customer, at)


def refunded(
    *, subscription: Subscription, customer: Customer, also: Also, at: datetime
) -> list[tuple[CreditGrant, Terms]]:
    """The terms of what was given, if the money of ``also`` were refunded too. Nothing is written,
    and a change of the subscription itself is none of it."""
    held = _held(subscription, _plans(customer, at))
    periods = _periods(subscription, held, at, also=also)
    return [
        (grant, credit_terms.after(credit_grants.terms_of(grant), periods.left(_key(grant))))
        for grant in held
    ]


def _plans(customer: Customer, at: datetime) -> list[CreditGrant]:
    """What the customer's subscriptions have given for recent periods and nobody has revoked."""
    rows = credits.plans_of(
        project=customer.project_id,
        customer_id=customer.pk,
        source_type=CreditSource.SUBSCRIPTION,
        since=at - KEPT,
    )
    return [row for row in rows if row.ends_at is not None]


def _held(subscription: Subscription, plans: Iterable[CreditGrant]) -> list[CreditGrant]:
    return [grant for grant in plans if grant.source_id == subscription.pk]


def _gives_credits(subscription: Subscription) -> bool:
    return subscription.items.filter(price__product__credits_amount__gt=0).exists()


def _periods(
    subscription: Subscription, held: Iterable[CreditGrant], at: datetime, *, also: Also = None
) -> PlanPeriods:
    kept = [(_key(grant), grant.starts_at) for grant in held]
    return plan_periods.of_subscription(subscription=subscription, kept=kept, at=at, also=also)


def _new(periods: PlanPeriods, held: Iterable[CreditGrant]) -> list[_Draft]:
    """What running periods give for the first time. A grant that was revoked is not given again."""
    if not periods.is_giving:
        return []
    there = {_key(grant) for grant in held}
    found = []
    for key in periods.running:
        product = periods.products[key.product_id]
        if key in there or key.ends_at <= periods.at or periods.left(key) is None:
            continue
        amount = periods.amount(key, rate=product.credits_amount)
        if amount:
            found.append(_Draft(key, None, _beginning(periods, key, amount)))
    return found


def _beginning(periods: PlanPeriods, key: PeriodKey, amount: int) -> Terms:
    product, starts_at = periods.products[key.product_id], periods.starts_at(key)
    days = product.credits_expire_after_days
    last = key.ends_at + RENEWAL_MARGIN
    return Terms(
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


def _revised(periods: PlanPeriods, grant: CreditGrant) -> _Draft:
    """What a grant gives by the money for its period as it is known now."""
    key, terms = _key(grant), credit_grants.terms_of(grant)
    terms = replace(terms, amount=grant.amount + grant.carried)
    if grant.rate:
        terms = replace(
            terms,
            amount=_amount(periods, grant),
            is_free=periods.is_free(key),
            quantity=_quantity(periods, key) or grant.quantity,
        )
    return _Draft(key, grant, terms)


def _amount(periods: PlanPeriods, grant: CreditGrant) -> int:
    """A free period that is over in the middle gave the share that had passed by then."""
    key = _key(grant)
    if not periods.is_free(key) or key in periods.running:
        return periods.amount(key, rate=grant.rate)
    until = periods.ended_at(key) or periods.at
    whole = Period(grant.starts_at, key.ends_at)
    given = grant.amount + grant.carried
    return min(given, credit_terms.passed(given, period=whole, until=until))


def _standing(periods: PlanPeriods, key: PeriodKey, terms: Terms) -> Terms:
    """The terms as the subscription and its money stand."""
    terms = credit_terms.after(
        replace(terms, expires_at=_expiry(periods, key, terms)), periods.left(key)
    )
    is_over = periods.subscription.has_ended or key not in periods.running
    if is_over or periods.is_giving:
        return terms
    return replace(terms, is_withheld=True)


def _expiry(periods: PlanPeriods, key: PeriodKey, terms: Terms) -> datetime | None:
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
    plans: Sequence[CreditGrant], drafts: Sequence[_Draft], at: datetime
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


def _plan(grant: CreditGrant, terms: Terms | None, at: datetime) -> PlanCredits:
    return PlanCredits(
        period=Period(grant.starts_at, _key(grant).ends_at),
        amount=terms.amount if terms else grant.amount + grant.carried,
        used=grant.spent + grant.reserved,
        carried=grant.carried,
        is_free=terms.is_free if terms else grant.is_free,
        is_open=grant.lot.is_live(at) and grant.rate > 0,
    )


def _carry_elsewhere(
    subscription: Subscription,
    plans: Iterable[CreditGrant],
    carried: Mapping[str, int],
    customer: Customer,
    at: datetime,
) -> None:
    """Let what the customer's other subscriptions give answer for what was overdrawn here."""
    for grant in plans:
        less = carried[grant.pk] - grant.carried
        if less and grant.source_id != subscription.pk:
            terms = credit_grants.terms_of(grant)
            terms = replace(
                terms,
                amount=grant.amount - less,
                due=grant.due * (grant.amount - less) // grant.amount if grant.amount else -less,
                carried=grant.carried + less,
            )
            credit_grants.revise(customer=customer, grant=grant, terms=terms, at=at)


def _give(periods: PlanPeriods, customer: Customer, key: PeriodKey, terms: Terms) -> None:
    origin = Origin(
        source_type=CreditSource.SUBSCRIPTION,
        source_id=periods.subscription.pk,
        key=str(key),
        starts_at=periods.starts_at(key),
    )
    credit_grants.give(
        customer=customer,
        origin=origin,
        terms=terms,
        priority=periods.products[key.product_id].credits_priority,
        at=periods.at,
    )


def _quantity(periods: PlanPeriods, key: PeriodKey) -> int:
    return sum(item.quantity for item in periods.running.get(key, ()))


def _key(grant: CreditGrant) -> PeriodKey:
    assert grant.ends_at is not None
    return PeriodKey(grant.product_id, grant.ends_at)


def _name(grant: CreditGrant | None, key: PeriodKey) -> str:
    return grant.pk if grant is not None else str(key)
