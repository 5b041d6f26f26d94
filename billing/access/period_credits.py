"""The credits of a subscription: one grant for each paid period of each of its products, whatever
the ids of its items. ``docs/credits.md`` has the rules.

The caller of a function that writes holds the customer's lock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing.access import credit_terms, period_credit_drafts
from billing.access.period_credit_drafts import PeriodGrantDraft, key_of
from billing.access.selectors import plan_periods
from billing.access.selectors.line_receipts import ExtraRefunds
from billing.access.selectors.plan_periods import PeriodKey, PlanPeriods
from billing.models import Subscription, SubscriptionItem
from common.prepared_queries import Parameter, PreparedValues, is_any
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms, credit_grants
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from projects.models import Customer

FOLLOW_LIMIT = timedelta(days=400)
"""How long after its start a period's credits are still revised by refunds and disputes."""
_GIVING = PreparedValues(
    lambda: (
        SubscriptionItem.objects.for_project(Parameter("project_id"))
        .filter(is_any("subscription_id", "ids"), price__product__credits_amount__gt=0)
        .values_list("subscription_id")
    )
)


@dataclass(frozen=True, slots=True)
class PlannedCredits:
    """Drafts of the grants of a subscription, and the credits that other plans withhold for it."""

    periods: PlanPeriods
    plans: Sequence[CreditGrant]
    drafts: Sequence[PeriodGrantDraft]
    carried: Mapping[str, int]

    @property
    def changes(self) -> list[PeriodGrantDraft]:
        """Drafts that differ from the stored grants."""
        return [draft for draft in self.drafts if draft.is_change]


def apply(
    *,
    subscription: Subscription,
    customer: Customer,
    at: datetime,
    items: Sequence[SubscriptionItem] | None = None,
) -> None:
    """Grant the credits of paid periods and revise the grants of earlier ones.

    New grants come first, so that the balance does not drop in between. ``items`` are those of the
    subscription with their products, if they have been read already.
    """
    read_items = None if items is None else {subscription.pk: items}
    planned = plan([subscription], at=at, items=read_items).get(subscription.pk)
    if planned is None:
        return
    for draft in planned.drafts:
        if draft.grant is None:
            _grant(planned.periods, customer, draft.key, draft.terms)
        else:
            credit_grants.revise(customer=customer, grant=draft.grant, terms=draft.terms, at=at)
    _revise_other_plans(subscription, planned.plans, planned.carried, customer, at)


def plan(
    subscriptions: Sequence[Subscription],
    *,
    at: datetime,
    items: Mapping[str, Sequence[SubscriptionItem]] | None = None,
) -> dict[str, PlannedCredits]:
    """Planned credits by subscription id; subscriptions without credits are absent.

    The subscriptions are of one project. ``items`` are theirs with products, by id, if they have
    been read already. Up to eight queries for any number.
    """
    if not subscriptions:
        return {}
    project_id = subscriptions[0].project_id
    plans = _find_grants(project_id, {row.customer_id for row in subscriptions}, at)
    grants_by_id = {row.pk: _grants_of(row, plans[row.customer_id]) for row in subscriptions}
    without_grants = [key for key, grants in grants_by_id.items() if not grants]
    with_credits = (
        _find_giving(project_id, without_grants)
        if items is None
        else {key for key in without_grants if any(map(_gives_credits, items[key]))}
    )
    relevant = [row for row in subscriptions if grants_by_id[row.pk] or row.pk in with_credits]
    if not relevant:
        return {}
    periods = plan_periods.of_subscriptions(
        project_id=project_id,
        subscriptions=relevant,
        granted={row.pk: _granted_periods(grants_by_id[row.pk]) for row in relevant},
        at=at,
    )
    planned = {}
    for row in relevant:
        of_customer = plans[row.customer_id]
        drafts, carried = period_credit_drafts.draft_grants(
            periods[row.pk], grants=grants_by_id[row.pk], plans=of_customer, at=at
        )
        planned[row.pk] = PlannedCredits(periods[row.pk], of_customer, drafts, carried)
    return planned


def terms_after_refund(
    *, subscription: Subscription, customer: Customer, extra_refunds: ExtraRefunds, at: datetime
) -> list[tuple[CreditGrant, CreditGrantTerms]]:
    """The terms that existing grants would have after ``extra_refunds``, the subscription itself
    being unchanged. Nothing is written."""
    grants = _grants_of(
        subscription, _find_grants(customer.project_id, [customer.pk], at)[customer.pk]
    )
    periods = plan_periods.of_subscription(
        subscription=subscription,
        granted=_granted_periods(grants),
        at=at,
        extra_refunds=extra_refunds,
    )
    return [
        (
            grant,
            credit_terms.apply_remaining_access(
                credit_grant_terms.terms_of(grant), periods.remaining_access(key_of(grant))
            ),
        )
        for grant in grants
    ]


def _find_grants(
    project_id: str, customer_ids: Collection[str], at: datetime
) -> dict[str, list[CreditGrant]]:
    """By customer, the grants of recent periods of all their subscriptions."""
    grants = credits.period_grants(
        project=project_id,
        customer_ids=customer_ids,
        source_type=CreditSource.SUBSCRIPTION,
        since=at - FOLLOW_LIMIT,
    )
    return {key: [row for row in rows if row.ends_at is not None] for key, rows in grants.items()}


def _grants_of(subscription: Subscription, grants: Iterable[CreditGrant]) -> list[CreditGrant]:
    return [grant for grant in grants if grant.source_id == subscription.pk]


def _granted_periods(grants: Iterable[CreditGrant]) -> list[tuple[PeriodKey, datetime]]:
    return [(key_of(grant), grant.starts_at) for grant in grants]


def _find_giving(project_id: str, subscription_ids: Collection[str]) -> set[str]:
    """Ids of the subscriptions among these that bill a product with credits."""
    if not subscription_ids:
        return set()
    return {key for (key,) in _GIVING.rows(project_id=project_id, ids=list(subscription_ids))}


def _gives_credits(item: SubscriptionItem) -> bool:
    return item.price is not None and (item.price.product.credits_amount or 0) > 0


def _revise_other_plans(
    subscription: Subscription,
    plans: Iterable[CreditGrant],
    carried: Mapping[str, int],
    customer: Customer,
    at: datetime,
) -> None:
    """Revise grants of the customer's other subscriptions that cover an overdraft of this one."""
    for grant in plans:
        extra = carried[grant.pk] - grant.carried
        if extra and grant.source_id != subscription.pk:
            terms = credit_grant_terms.terms_of(grant)
            terms = replace(
                terms,
                amount=grant.amount - extra,
                due=grant.due * (grant.amount - extra) // grant.amount if grant.amount else -extra,
                carried=grant.carried + extra,
            )
            credit_grants.revise(customer=customer, grant=grant, terms=terms, at=at)


def _grant(
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
