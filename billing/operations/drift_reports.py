"""Drift reports: what differed, since when, and what became of it.

A report is stored before the repair begins, so that a repair whose worker dies is not lost: at the
end of the step its object is compared and no longer differs, and the report becomes ``healed``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import DriftReport, ReconcileRun
from billing.models.drift_report import DriftState
from billing.operations.drift_drafts import DriftDraft
from billing.operations.selectors import drift_reports as stored
from projects.models import Project

POLICY = "policy"
"""``decided_by`` of what a heal policy has done."""
KEPT = timedelta(days=90)
"""How long a closed report is kept. An open one is kept until it is closed."""
PURGE_BATCH = 5000
NOTE_LENGTH = 255
CLOSED = frozenset({DriftState.HEALED, DriftState.ENDED})


@dataclass(frozen=True, slots=True)
class DriftSource:
    """The reconciliation that compares; without a ``run_id`` it is the command."""

    run_id: str | None = None


def record(
    *,
    draft: DriftDraft,
    state: DriftState,
    source: DriftSource,
    at: datetime,
    keeps_decision: bool = False,
) -> DriftReport:
    """Store the difference as the open report of its object.

    A dismissed report stays dismissed while its values are the same. With ``keeps_decision`` (a dry
    run) a parked or failed one keeps its state too.
    """
    before = stored.find_open(
        project_id=draft.project_id,
        account_id=draft.account_id,
        kind=draft.kind,
        object_key=draft.object_key,
    )
    if before is not None and _is_kept(before, draft, keeps_decision=keeps_decision):
        state = DriftState(before.state)
    values = {
        "run_id": source.run_id,
        "our_id": draft.our_id,
        "drift_class": draft.drift_class.value,
        "state": state.value,
        "changes": draft.changes,
        "last_found_at": at,
        "in_sync_at": draft.in_sync_at,
    }
    report, _ = DriftReport.objects.for_project(draft.project_id).update_or_create(
        project_id=draft.project_id,
        account_id=draft.account_id,
        kind=draft.kind,
        object_key=draft.object_key,
        closed_at=None,
        defaults=values,
        create_defaults={**values, "first_found_at": at},
    )
    return report


def end_repair(
    *, report: DriftReport, state: DriftState, note: str, at: datetime, decided_by: str = POLICY
) -> None:
    """Store the outcome of a repair or a decision."""
    DriftReport.objects.for_project(report.project_id).filter(
        pk=report.pk, closed_at__isnull=True
    ).update(
        state=state,
        note=note[:NOTE_LENGTH],
        decided_by=decided_by[:120],
        closed_at=at if state in CLOSED else None,
    )


def keep_open(*, run: ReconcileRun, object_keys: Collection[str], at: datetime) -> None:
    """Count these objects as differing still: they are not compared while they wait for an
    operator's decision."""
    if object_keys:
        rows = stored.open_reports(account_id=run.account_id, kind=run.step)
        rows.filter(object_key__in=object_keys).update(last_found_at=at)


def close_unseen(*, run: ReconcileRun, project: Project | None, at: datetime) -> None:
    """Close the reports of a step that has compared everything and did not find them again.

    Two statements. An interrupted repair was successful if its object no longer differs.
    """
    rows = stored.open_reports(account_id=run.account_id, kind=run.step)
    if project is not None:
        rows = rows.filter(project=project)
    rows.filter(state=DriftState.HEALING).update(
        state=DriftState.HEALED, closed_at=at, decided_by=POLICY
    )
    rows.filter(last_found_at__lt=run.started_at).update(state=DriftState.ENDED, closed_at=at)


def purge(*, at: datetime) -> int:
    """Delete reports that were closed 90 days ago, a batch at most. Returns how many."""
    old = stored.closed(before=at - KEPT).order_by("closed_at").values("pk")[:PURGE_BATCH]
    return DriftReport.objects.across_projects().filter(pk__in=old).delete()[0]


def _is_kept(report: DriftReport, draft: DriftDraft, *, keeps_decision: bool) -> bool:
    if report.state == DriftState.DISMISSED:
        return report.drift_class == draft.drift_class and report.changes == draft.changes
    return keeps_decision and report.state in (DriftState.PARKED, DriftState.FAILED)
