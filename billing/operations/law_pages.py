"""What a check of one page of our own rows answers, and which rows it leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from billing.models import Checkout, Rollout, Subscription
from common.models import RunStatus

RowT = TypeVar("RowT", Subscription, Checkout)

PAGE = 100
"""Subscriptions or purchases that are compared together."""
UNFINISHED = (RunStatus.RUNNING, RunStatus.MOVING)


@dataclass(frozen=True, slots=True)
class Violation:
    """One row of ours that is not what it follows from; ``error`` says why it was not repaired."""

    what: str
    error: str | None = None

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class LawPage:
    """``after`` is where the next page begins; empty behind the last one."""

    checked: int
    violations: Sequence[Violation]
    after: str


def subscriptions(*, after: str, project_id: str) -> list[Subscription]:
    """The next page, of all projects or of one, each with its project."""
    rows = Subscription.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    return list(rows.select_related("project").order_by("pk")[:PAGE])


def checkouts(*, after: str, project_id: str) -> list[Checkout]:
    """The next page, of all projects or of one."""
    rows = Checkout.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    return list(rows.order_by("pk")[:PAGE])


def end_of(page: Sequence[Subscription] | Sequence[Checkout]) -> str:
    """Where the next page begins; empty behind the last one."""
    return page[-1].pk if len(page) == PAGE else ""


def by_project(page: Sequence[RowT]) -> list[list[RowT]]:
    """The rows of each project; without those of projects whose catalog has a change that is still
    on its way to holders, which is no violation."""
    found: dict[str, list[RowT]] = {}
    for row in page:
        found.setdefault(row.project_id, []).append(row)
    busy = set(
        Rollout.objects.across_projects()
        .filter(project_id__in=list(found), status__in=UNFINISHED)
        .values_list("project_id", flat=True)
    )
    return [rows for project_id, rows in found.items() if project_id not in busy]
