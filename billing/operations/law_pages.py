"""Pages of our own rows for law checks, and the result of checking one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from billing.models import Checkout, Rollout, Subscription
from common.models import RunStatus

RowT = TypeVar("RowT", Subscription, Checkout)

PAGE = 100
"""Subscriptions or purchases that are compared together."""
UNFINISHED = (RunStatus.RUNNING, RunStatus.MOVING)


@dataclass(frozen=True, slots=True)
class LawViolation:
    """A row that breaks a law; ``error`` is the reason why it was not repaired.

    ``subject`` names the row by our ids. ``values``: the stored and the expected value by name.
    """

    what: str
    error: str | None = None
    project_id: str = field(kw_only=True)
    subject: str = field(kw_only=True)
    values: Mapping[str, tuple[object, object]] = field(default_factory=dict, kw_only=True)

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class LawPage:
    """The result of one page. ``after`` is the next page's cursor; empty after the last page."""

    checked: int
    violations: Sequence[LawViolation]
    after: str


def subscriptions(*, after: str, project_id: str) -> list[Subscription]:
    """The next page, of one project or (empty) of all, loaded with projects."""
    rows = Subscription.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    return list(rows.select_related("project").order_by("pk")[:PAGE])


def checkouts(*, after: str, project_id: str) -> list[Checkout]:
    """The next page, of one project or (empty) of all."""
    rows = Checkout.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    return list(rows.order_by("pk")[:PAGE])


def end_of(page: Sequence[Subscription] | Sequence[Checkout]) -> str:
    """The cursor of the next page; empty after the last one."""
    return page[-1].pk if len(page) == PAGE else ""


def by_project(page: Sequence[RowT]) -> list[list[RowT]]:
    """Rows grouped by project. Projects with a running rollout are left out: their facts change."""
    rows_by_project: dict[str, list[RowT]] = {}
    for row in page:
        rows_by_project.setdefault(row.project_id, []).append(row)
    busy = set(
        Rollout.objects.across_projects()
        .filter(project_id__in=list(rows_by_project), status__in=UNFINISHED)
        .values_list("project_id", flat=True)
    )
    return [rows for project_id, rows in rows_by_project.items() if project_id not in busy]
