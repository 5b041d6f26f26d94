"""What static answers need to be whole: how much was used, and how many credits are left."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from django.db.models import Q, Sum

from entitlements.balances.selectors import credits
from entitlements.models import CreditEntry
from entitlements.resolution import decision as resolution
from entitlements.resolution.credit_allocation import Bucket
from entitlements.resolution.decision import Decision, Figures
from entitlements.resolution.evaluation_context import Outlook
from usage.totals.selectors import counting
from usage.totals.selectors.counting import Ask, Used

Key = TypeVar("Key")


class Answer(NamedTuple):
    """What facts alone say, and about which customer; None for a user that we do not know."""

    customer_id: str | None
    decision: Decision


def whole(
    *, project_id: str, answers: Mapping[Key, Answer], outlook: Outlook
) -> dict[Key, Decision]:
    """The answers with their figures. No query for those that facts alone decide, else at most two
    for what is metered (three with meters that tell values apart) and one for credits."""
    found = of(project_id=project_id, answers=answers, outlook=outlook)
    return {
        key: resolution.completed(answer.decision, figures=found[key], at=outlook.at)
        for key, answer in answers.items()
    }


def of(*, project_id: str, answers: Mapping[Key, Answer], outlook: Outlook) -> dict[Key, Figures]:
    """As far as an answer needs any; zeros for users that we do not know."""
    asks = {key: ask for key, each in answers.items() if (ask := _ask(each)) is not None}
    used = counting.used(
        project_id=project_id, asks=set(asks.values()), at=outlook.at, now=outlook.now
    )
    balances = _balances(project_id, answers, outlook)
    nothing = Used(0, 0)
    return {
        key: Figures(
            *(used[asks[key]] if key in asks else nothing),
            balance=balances.get(each.customer_id or "", 0),
        )
        for key, each in answers.items()
    }


def _ask(answer: Answer) -> Ask | None:
    if answer.customer_id is None or answer.decision.metering is None:
        return None
    return Ask(answer.customer_id, *answer.decision.metering)


def _balances(project_id: str, answers: Mapping[Key, Answer], outlook: Outlook) -> dict[str, int]:
    paying = {
        each.customer_id
        for each in answers.values()
        if each.customer_id is not None and each.decision.is_priced and each.decision.allowed
    }
    if not paying:
        return {}
    if outlook.known_by is None:
        return credits.balances(project_id=project_id, customer_ids=paying, at=outlook.at)
    return _balances_then(project_id, paying, outlook.at)


def _balances_then(project_id: str, customer_ids: set[str], at: datetime) -> dict[str, int]:
    """What the ledger came to by a moment of the past."""
    is_live = Q(grant__expires_at__isnull=True) | Q(grant__expires_at__gt=at)
    rows = (
        CreditEntry.objects.for_project(project_id)
        .filter(
            is_live,
            bucket=Bucket.AVAILABLE,
            transaction__customer_id__in=customer_ids,
            transaction__occurred_at__lte=at,
        )
        .order_by()
        .values_list("transaction__customer_id")
        .annotate(Sum("amount"))
    )
    return {customer_id: int(total) for customer_id, total in rows}
