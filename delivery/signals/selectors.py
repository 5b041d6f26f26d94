"""Reads of signals and of the projects that may send them."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, Value

from common import fair_queue
from common.fair_queue import RetryRule
from common.row_counts import CountedRows
from delivery.models import SignalState, WorkflowSignal
from projects.models import Project


def namespaces(project_ids: Collection[str]) -> dict[str, str]:
    """The Temporal namespace of each of these projects, without those that have none."""
    rows = Project.objects.filter(pk__in=project_ids).exclude(workflow_namespace="")
    return dict(rows.values_list("pk", "workflow_namespace"))


def has_namespaces() -> bool:
    """Whether any project may signal workflows."""
    return Project.objects.exclude(workflow_namespace="").exists()


def due(*, at: datetime, limit: int, rule: RetryRule) -> list[WorkflowSignal]:
    """Planned signals that may be sent now: the oldest of each project, then the second oldest, and
    so on.

    A payment's later signal waits for its earlier one. Projects that back off are left out.
    """
    rows = WorkflowSignal.objects.across_projects().filter(state=SignalState.PLANNED)
    earlier = rows.filter(
        project_id=OuterRef("project_id"), payment_id=OuterRef("payment_id"), pk__lt=OuterRef("pk")
    )
    due_rows = rows.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lte=at),
        ~Exists(earlier),
        ~fair_queue.is_backing_off(rule, owner="project_id", subject=Value("")),
        due_at__lte=at,
    )
    return fair_queue.round_robin(due_rows, owner="project_id", order=("due_at", "pk"), limit=limit)


def lock(*, project_id: str, signal_id: str) -> WorkflowSignal | None:
    rows = WorkflowSignal.objects.for_project(project_id).select_for_update()
    return rows.filter(pk=signal_id).first()


def waiting_rows(*, at: datetime) -> dict[str, CountedRows]:
    """Signals that are due, and signals that wait for an operator."""
    rows = WorkflowSignal.objects.across_projects()
    due_rows = rows.filter(state=SignalState.PLANNED, due_at__lte=at)
    return {
        "due_signals": CountedRows(due_rows, "due_at"),
        "parked_signals": CountedRows(rows.filter(state=SignalState.PARKED)),
    }
