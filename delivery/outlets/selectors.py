"""Reads of outlets."""

from django.db.models import F, OuterRef, Subquery

from delivery.models import Outlet
from events.log.selectors import HEAD
from events.models import LoggedEvent, LogHead


def lock(name: str) -> Outlet | None:
    """The outlet, locked; None if there is none, or another process has locked it."""
    return Outlet.objects.select_for_update(skip_locked=True).filter(pk=name).first()


def number(name: str) -> int | None:
    """The last number that the outlet has dealt with; None if it has never run."""
    return Outlet.objects.filter(pk=name).values_list("number", flat=True).first()


def next_events() -> list[tuple[str, int, str]]:
    """The name of each outlet that is behind the log, the number of events behind, and the id of
    the first of them; one query."""
    last = LogHead.objects.filter(pk=HEAD).values("number")
    following = (
        LoggedEvent.objects.across_projects()
        .filter(number__gt=OuterRef("number"))
        .order_by("number")
    )
    return list(
        Outlet.objects.annotate(
            events=Subquery(last) - F("number"), first=Subquery(following.values("pk")[:1])
        )
        .filter(first__isnull=False)
        .values_list("name", "events", "first")
    )
