"""The credits of a subscription: for each period of each of its products what the money for it
gives, once, whatever the ids of its items. The law stands in ``docs/credits.md``.

The caller of what writes holds the customer's lock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing.access import credit_terms, period_credit_drafts
from billing.access.period_credit_drafts import Draft, key_of
from billing.access.selectors import plan_periods
from billing.access.selectors.line_receipts import Also
from billing.access.selectors.plan_periods import PeriodKey, PlanPeriods
from billing.models import Subscription, SubscriptionItem
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms, credit_grants
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from projects.models import Customer

KEPT = timedelta(days=400)
"""How long after its start a period's credits still follow the money for it."""


@dataclass(frozen=True, slots=True)
class PlannedCredits:
    """What the grants of one subscription have to say now, and what follows for other plans."""

    periods: PlanPeriods
    plans: Sequence[CreditGrant]
    drafts: Sequence[Draft]
    carried: Mapping[str, int]

    @property
    def changes(self) -> list[Draft]:
        """Where what is held says something else."""
        return [draft for draft in self.drafts if draft.is_change]


def follow(*, subscription: Subscription, customer: Customer, at: datetime) -> None:
    """Give the credits of periods that are paid, and let those given before be what is due.

    What is given comes before what expires, so that nobody runs low in between.
    """
    planned = plan([subscription], at=at).get(subscription.pk)
    if planned is None:
        return
    for draft in planned.drafts:
        if draft.grant is None:
            _give(planned.periods, customer, draft.key, draft.terms)
        else:
            credit_grants.revise(customer=customer, grant=draft.grant, terms=draft.terms, at=at)
    _carry_elsewhere(subscription, planned.plans, planned.carried, customer, at)


def plan(subscriptions: Sequence[Subscription], *, at: datetime) -> dict[str, PlannedCredits]:
    """By subscription, what its credits come to; those that have and give none are absent.

    The subscriptions are of one project. Up to eight queries, however many.
    """
    if not subscriptions:
        return {}
    project_id = subscriptions[0].project_id
    plans = _plans(project_id, {each.customer_id for each in subscriptions}, at)
    held = {each.pk: _held(each, plans[each.customer_id]) for each in subscriptions}
    giving = _giving(project_id, [key for key, grants in held.items() if not grants])
    concerned = [each for each in subscriptions if held[each.pk] or each.pk in giving]
    if not concerned:
        return {}
    periods = plan_periods.of_subscriptions(
        project_id=project_id,
        subscriptions=concerned,
        kept={each.pk: _kept(held[each.pk]) for each in concerned},
        at=at,
    )
    found = {}
    for each in concerned:
        theirs = plans[each.customer_id]
        drafts, carried = period_credit_drafts.of_periods(
            periods[each.pk], held=held[each.pk], plans=theirs, at=at
        )
        found[each.pk] = PlannedCredits(periods[each.pk], theirs, drafts, carried)
    return found


def refunded(
    *, subscription: Subscription, customer: Customer, also: Also, at: datetime
) -> list[tuple[CreditGrant, CreditGrantTerms]]:
    """The terms of what was given, if the money of ``also`` were refunded too. Nothing is written,
    and a change of the subscription itself is none of it."""
    held = _held(subscription, _plans(customer.project_id, [customer.pk], at)[customer.pk])
    periods = plan_periods.of_subscription(
        subscription=subscription, kept=_kept(held), at=at, also=also
    )
    return [
        (grant, credit_terms.after(credit_grant_terms.terms_of(grant), periods.left(key_of(grant))))
        for grant in held
    ]


def _plans(
    project_id: str, customer_ids: Collection[str], at: datetime
) -> dict[str, list[CreditGrant]]:
    """By customer, what the subscriptions have given for recent periods."""
    found = credits.period_grants(
        project=project_id,
        customer_ids=customer_ids,
        source_type=CreditSource.SUBSCRIPTION,
        since=at - KEPT,
    )
    return {key: [row for row in rows if row.ends_at is not None] for key, rows in found.items()}


def _held(subscription: Subscription, plans: Iterable[CreditGrant]) -> list[CreditGrant]:
    return [grant for grant in plans if grant.source_id == subscription.pk]


def _kept(held: Iterable[CreditGrant]) -> list[tuple[PeriodKey, datetime]]:
    return [(key_of(grant), grant.starts_at) for grant in held]


def _giving(project_id: str, subscription_ids: Collection[str]) -> set[str]:
    """Those of these subscriptions that bill a product that comes with credits."""
    if not subscription_ids:
        return set()
    rows = SubscriptionItem.objects.for_project(project_id).filter(
        subscription__in=subscription_ids, price__product__credits_amount__gt=0
    )
    return set(rows.values_list("subscription_id", flat=True))


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
            terms = credit_grant_terms.terms_of(grant)
            terms = replace(
                terms,
                amount=grant.amount - less,
                due=grant.due * (grant.amount - less) // grant.amount if grant.amount else -less,
                carried=grant.carried + less,
            )
            credit_grants.revise(customer=customer, grant=grant, terms=terms, at=at)


def _give(
    periods: PlanPeriods, customer: Customer, key: PeriodKey, terms: CreditGrantTerms
) -> None:
    origin = CreditOrigin(
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
