"""Intents by state, by target, and those that are due."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q
from django.db.models.functions import Now

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN, IntentState
from billing.sync.selectors import back_offs
from common import fair_queue, lease
from common.models import ProjectQuerySet
from common.row_counts import CountedRows, count_rows

IN_STATE: dict[str, Q] = {
    "open": Q(state__in=OPEN),
    **{state.value: Q(state=state) for state in IntentState},
}
"""The console's filter values, as conditions."""
IS_FREE = lease.is_free()
"""No worker holds the intent."""


def due(*, limit: int) -> list[StripeIntent]:
    """Due intents that no worker holds: round robin over the projects, the longest wait first.

    Of intents with the same target only the oldest is due. Leaves out requests that the account
    refuses now.
    """
    older = StripeIntent.objects.across_projects().filter(
        project_id=OuterRef("project_id"),
        account_id=OuterRef("account_id"),
        target=OuterRef("target"),
        state__in=OPEN,
        pk__lt=OuterRef("pk"),
    )
    rows = StripeIntent.objects.across_projects().filter(
        IS_FREE,
        ~back_offs.is_backing_off(account="account_id", request="operation"),
        Q(target="") | ~Exists(older),
        state__in=OPEN,
        next_try_at__lte=Now(),
    )
    return fair_queue.round_robin(
        rows.select_related("account"),
        owner="project_id",
        order=("next_try_at", "pk"),
        limit=limit,
    )


@dataclass(frozen=True, slots=True)
class OpenIntents:
    """Numbers of open and of parked intents, and when the oldest open one was created."""

    open: int
    parked: int
    oldest: datetime | None


def open_rows() -> dict[str, CountedRows]:
    """Open and parked intents of all projects."""
    rows = StripeIntent.objects.across_projects()
    return {
        "open_intents": CountedRows(rows.filter(state__in=OPEN), "created_at"),
        "parked_intents": CountedRows(rows.filter(state=IntentState.PARKED)),
    }


def count_open() -> OpenIntents:
    """Count the intents of all projects, in one query."""
    open_, parked = count_rows(open_rows()).values()
    return OpenIntents(open=open_.n, oldest=open_.oldest, parked=parked.n)


def open_by_state() -> dict[str, tuple[int, datetime]]:
    """Number and oldest creation of intents by state, of the states that have not ended and of
    parked ones. States without intents are absent; one query."""
    rows = StripeIntent.objects.across_projects()
    open_, parked = (
        matching.order_by()
        .values("state")
        .annotate(n=Count("pk"), oldest=Min("created_at"))
        .values_list("state", "n", "oldest")
        for matching in (
            rows.filter(state__in=OPEN),
            rows.filter(state=IntentState.PARKED),
        )
    )
    return {state: (n, oldest) for state, n, oldest in open_.union(parked, all=True)}


def lock_target(intent: StripeIntent) -> None:
    """Lock every open intent of the same target, so that two workers cannot both take the next."""
    list(
        _at_target(intent)
        .filter(state__in=OPEN)
        .order_by("id")
        .select_for_update()
        .values_list("pk")
    )


def blocking(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    """Open intents of the same target that must end before this one: older or leased ones."""
    rows = _at_target(intent).filter(state__in=OPEN).exclude(pk=intent.pk)
    return rows.filter(Q(pk__lt=intent.pk) | ~IS_FREE).order_by("id")


def is_superseded(intent: StripeIntent) -> bool:
    """Whether a newer intent changed the target after this one was first sent."""
    if not intent.target or intent.sent_at is None:
        return False
    newer = _at_target(intent).filter(pk__gt=intent.pk, state=IntentState.DONE)
    return newer.filter(finished_at__gte=intent.sent_at).exists()


def unanswered(subject: str) -> Exists:
    """Condition of our rows whose requester has not yet had the answer. ``subject`` is the column
    with the row's id."""
    intents = StripeIntent.objects.across_projects().filter(
        project_id=OuterRef("project_id"), subject=OuterRef(subject), answered_at__isnull=True
    )
    return Exists(intents)


def finished(*, before: datetime) -> ProjectQuerySet[StripeIntent]:
    """Intents that ended before then."""
    return StripeIntent.objects.across_projects().filter(
        finished_at__lt=before, state__in=[IntentState.DONE, IntentState.FAILED]
    )


def _at_target(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    rows = StripeIntent.objects.for_project(intent.project_id)
    return rows.filter(account_id=intent.account_id, target=intent.target)
