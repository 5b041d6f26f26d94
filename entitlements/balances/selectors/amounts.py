"""The amounts that complete static decisions: units used and credits left."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from django.db.models import Q, Sum

from entitlements.balances.selectors import credits
from entitlements.models import CreditEntry
from entitlements.resolution import decision as resolution
from entitlements.resolution.credit_allocation import CreditBucket
from entitlements.resolution.decision import Decision, DecisionAmounts
from entitlements.resolution.evaluation_context import EvaluationContext
from usage.totals.selectors import counting
from usage.totals.selectors.counting import CounterAmounts, CounterKey

Key = TypeVar("Key")


class StaticDecision(NamedTuple):
    """The decision that follows from facts alone, and its customer; None for an unknown user."""

    customer_id: str | None
    decision: Decision


def complete_decisions(
    *, project_id: str, static_decisions: Mapping[Key, StaticDecision], context: EvaluationContext
) -> dict[Key, Decision]:
    """The decisions with their amounts. No query when facts alone decide all of them; otherwise
    at most two for metered features (three with ``unique`` meters) and one for credits."""
    amounts = read_amounts(
        project_id=project_id, static_decisions=static_decisions, context=context
    )
    return {
        key: resolution.complete_decision(static.decision, amounts=amounts[key], at=context.at)
        for key, static in static_decisions.items()
    }


def read_amounts(
    *, project_id: str, static_decisions: Mapping[Key, StaticDecision], context: EvaluationContext
) -> dict[Key, DecisionAmounts]:
    """The amounts that each decision needs; zeros for unknown users."""
    counter_keys = {
        key: counter_key
        for key, static in static_decisions.items()
        if (counter_key := _counter_key(static)) is not None
    }
    amounts_by_key = counting.read_usage(
        project_id=project_id, keys=set(counter_keys.values()), at=context.at, now=context.now
    )
    balances = _balances(project_id, static_decisions, context)
    no_amounts = CounterAmounts(0, 0)
    return {
        key: DecisionAmounts(
            *(amounts_by_key[counter_keys[key]] if key in counter_keys else no_amounts),
            balance=balances.get(static.customer_id or "", 0),
        )
        for key, static in static_decisions.items()
    }


def _counter_key(static: StaticDecision) -> CounterKey | None:
    if static.customer_id is None or static.decision.metering is None:
        return None
    return CounterKey(static.customer_id, *static.decision.metering)


def _balances(
    project_id: str, static_decisions: Mapping[Key, StaticDecision], context: EvaluationContext
) -> dict[str, int]:
    customer_ids = {
        static.customer_id
        for static in static_decisions.values()
        if static.customer_id is not None and static.decision.is_priced and static.decision.allowed
    }
    if not customer_ids:
        return {}
    if context.recorded_by is None:
        return credits.balances(project_id=project_id, customer_ids=customer_ids, at=context.at)
    return _balances_at(project_id, customer_ids, context.at)


def _balances_at(project_id: str, customer_ids: set[str], at: datetime) -> dict[str, int]:
    """Credit balances at a moment in the past, from the ledger."""
    is_live = Q(grant__expires_at__isnull=True) | Q(grant__expires_at__gt=at)
    rows = (
        CreditEntry.objects.for_project(project_id)
        .filter(
            is_live,
            bucket=CreditBucket.AVAILABLE,
            transaction__customer_id__in=customer_ids,
            transaction__occurred_at__lte=at,
        )
        .order_by()
        .values_list("transaction__customer_id")
        .annotate(Sum("amount"))
    )
    return {customer_id: int(total) for customer_id, total in rows}
