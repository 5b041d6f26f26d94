"""Endpoints that have work and no process that does it."""

from datetime import datetime

from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Now

from common import ids
from delivery.models import EndpointState, WebhookEndpoint
from events.models import LoggedEvent, ProjectHead

_HEAD = ProjectHead.objects.across_projects().filter(pk=OuterRef("project_id")).values("position")
_NEXT_EVENT = (
    LoggedEvent.objects.across_projects()
    .filter(project_id=OuterRef("project_id"), position__gt=OuterRef("position"))
    .order_by("position")
    .values("event_id")
)


def count(*, at: datetime) -> tuple[int, datetime | None]:
    """How many there are, and since when the first has waited; None without any.

    An endpoint whose receiver is left alone for a while is not among them.
    """
    rows = (
        WebhookEndpoint.objects.across_projects()
        .filter(
            Q(leased_until__isnull=True) | Q(leased_until__lt=Now()),
            Q(breaker_until__isnull=True) | Q(breaker_until__lte=at),
            deleted_at__isnull=True,
        )
        .alias(head=Subquery(_HEAD))
        .filter(Q(due_at__lte=at) | Q(state=EndpointState.ENABLED, position__lt=F("head")))
        .annotate(next_event=Subquery(_NEXT_EVENT[:1]))
        .values_list("due_at", "breaker_until", "next_event")
    )
    begins = [_begin(*row) for row in rows]
    return len(begins), min((each for each in begins if each), default=None)


def _begin(
    due_at: datetime | None, breaker_until: datetime | None, next_event: str | None
) -> datetime | None:
    """Since when the endpoint could have been served."""
    works = [due_at, ids.time_of(next_event) if next_event else None]
    begin = min((each for each in works if each), default=None)
    return max(begin, breaker_until) if begin and breaker_until else begin
