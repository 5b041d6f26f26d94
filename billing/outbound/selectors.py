"""What we have asked Stripe to do, and what is still open about it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q, Value
from django.db.models.functions import Now

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN, IntentState
from billing.sync.selectors import back_offs
from common import fair_queue, lease
from common.models import ProjectQuerySet

IN_STATE: dict[str, Q] = {
    "open": Q(state__in=OPEN),
    **{state.value: Q(state=state) for state in IntentState},
}
"""The words for a state, as conditions in SQL."""
FREE = lease.is_free()
"""No worker holds the intent."""


def due(*, limit: int) -> list[StripeIntent]:
    """Open intents that nobody is at, by turns of their projects, the longest wait first.

    Of those with the same target only the oldest is due. Left out are requests that their account
    cannot be asked now.
    """
    older = StripeIntent.objects.across_projects().filter(
        project_id=OuterRef("project_id"),
        account_id=OuterRef("account_id"),
        target=OuterRef("target"),
        state__in=OPEN,
        pk__lt=OuterRef("pk"),
    )
    rows = StripeIntent.objects.across_projects().filter(
        FREE,
        ~back_offs.is_waiting(account="account_id", request="operation"),
        Q(target="") | ~Exists(older),
        state__in=OPEN,
        next_try_at__lte=Now(),
    )
    return fair_queue.in_turn(
        rows.select_related("account"),
        owner="project_id",
        order=("next_try_at", "pk"),
        limit=limit,
    )


@dataclass(frozen=True, slots=True)
class Undecided:
    """How many are not at their end, since when the oldest, and how many wait for a person."""

    open: int
    parked: int
    oldest: datetime | None


def undecided() -> Undecided:
    """Of all projects together; one query."""
    rows = StripeIntent.objects.across_projects()
    open_, parked = (
        found.order_by()
        .values(what=Value(what))
        .annotate(n=Count("pk"), oldest=Min("created_at"))
        .values_list("what", "n", "oldest")
        for what, found in (
            ("open", rows.filter(state__in=OPEN)),
            ("parked", rows.filter(state=IntentState.PARKED)),
        )
    )
    found = {what: (n, oldest) for what, n, oldest in open_.union(parked, all=True)}
    counted, oldest = found["open"]
    return Undecided(open=counted, oldest=oldest, parked=found["parked"][0])


def lock_target(intent: StripeIntent) -> None:
    """Lock every open intent of the same target, so that two cannot both be the next one."""
    list(
        _at_target(intent)
        .filter(state__in=OPEN)
        .order_by("id")
        .select_for_update()
        .values_list("pk")
    )


def in_the_way(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    """Others of the same target that have to end before this one: older, or under way."""
    rows = _at_target(intent).filter(state__in=OPEN).exclude(pk=intent.pk)
    return rows.filter(Q(pk__lt=intent.pk) | ~FREE).order_by("id")


def is_superseded(intent: StripeIntent) -> bool:
    """Whether something newer was done to the target since this one was first sent."""
    if not intent.target or intent.sent_at is None:
        return False
    newer = _at_target(intent).filter(pk__gt=intent.pk, state=IntentState.DONE)
    return newer.filter(finished_at__gte=intent.sent_at).exists()


def unanswered(subject: str) -> Exists:
    """For a query over our rows: whoever asked for the row has not yet had the answer."""
    intents = StripeIntent.objects.across_projects().filter(
        project_id=OuterRef("project_id"), subject=OuterRef(subject), answered_at__isnull=True
    )
    return Exists(intents)


def over(*, before: datetime) -> ProjectQuerySet[StripeIntent]:
    """What ended before then."""
    return StripeIntent.objects.across_projects().filter(
        finished_at__lt=before, state__in=[IntentState.DONE, IntentState.FAILED]
    )


def _at_target(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    rows = StripeIntent.objects.for_project(intent.project_id)
    return rows.filter(account_id=intent.account_id, target=intent.target)
