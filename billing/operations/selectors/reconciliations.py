"""Reconciliations: unfinished ones, whose turn it is, and lists for tenants and operators."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Aggregate,
    BigIntegerField,
    Count,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce, Now

from billing.models import DriftReport, ReconcileRun, Reconciliation, StripeAccount
from billing.models.drift_report import DriftState
from billing.models.reconcile_run import ReconcilePhase
from billing.models.reconciliation import ReconciliationState
from common.errors import NotFound
from projects.models import Project

NIGHTLY = "nightly"
"""``purpose`` of the nightly passes of all accounts."""


@dataclass(frozen=True, slots=True)
class ReconcileProgress:
    """Steps and figures of a reconciliation, as far as its steps have saved them."""

    steps: int = 0
    finished: int = 0
    broken: int = 0
    """Steps that failed or were stopped."""
    compared: int = 0

    def plus(self, steps: int, finished: int, broken: int, compared: int) -> "ReconcileProgress":
        return ReconcileProgress(
            self.steps + steps,
            self.finished + finished,
            self.broken + broken,
            self.compared + compared,
        )


def visible_to(project: Project | None) -> QuerySet[Reconciliation]:
    """The reconciliations of one project; without one those of all, for the platform."""
    rows = Reconciliation.objects.select_related("account", "project")
    return rows if project is None else rows.filter(project=project)


def get(*, project: Project | None, reconciliation_id: str) -> Reconciliation:
    """Raises NotFound for one of another project or of a whole account."""
    row = visible_to(project).filter(pk=reconciliation_id).first()
    if row is None:
        raise NotFound
    return row


def unfinished(account: StripeAccount) -> QuerySet[Reconciliation]:
    return Reconciliation.objects.filter(account=account, finished_at__isnull=True)


def lock(reconciliation_id: str) -> Reconciliation:
    """The row, locked until the transaction ends."""
    return Reconciliation.objects.select_for_update(no_key=True).get(pk=reconciliation_id)


def lock_next(*, without: Collection[str]) -> Reconciliation | None:
    """The requested reconciliation that has waited longest for a worker, locked.

    Of each account only the oldest unfinished one has its turn; a paused one lets others pass. One
    that another worker works on is left out: its steps have an order.
    """
    leased = ReconcileRun.objects.filter(purpose=OuterRef("purpose"), leased_until__gt=Now())
    rows = _at_their_turn().filter(~Exists(leased)).exclude(purpose=NIGHTLY)
    rows = rows.exclude(pk__in=without)
    return (
        rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .order_by("worked_at", "pk")
        .first()
    )


def account_ids_of_others() -> set[str]:
    """Accounts on which the nightly pass waits: another one has its turn, or it is paused."""
    turns = _at_their_turn().exclude(purpose=NIGHTLY).values_list("account_id", flat=True)
    paused = Reconciliation.objects.filter(
        purpose=NIGHTLY, finished_at__isnull=True, paused_at__isnull=False
    ).values_list("account_id", flat=True)
    return {account_id or "" for account_id in [*turns, *paused]}


def unfinished_nightly() -> list[Reconciliation]:
    rows = Reconciliation.objects.filter(purpose=NIGHTLY, finished_at__isnull=True)
    return list(rows.order_by("pk"))


def is_halted(run: ReconcileRun) -> bool:
    """Whether the reconciliation of this step was stopped or paused."""
    return Reconciliation.objects.filter(
        Q(finished_at__isnull=False) | Q(paused_at__isnull=False),
        purpose=run.purpose,
        started_at=run.started_at,
        **({} if run.purpose != NIGHTLY else {"account": run.account_id}),
    ).exists()


def steps(row: Reconciliation) -> QuerySet[ReconcileRun]:
    """Its steps. The next nightly pass of the account replaces those of the last one."""
    rows = ReconcileRun.objects.filter(purpose=row.purpose, started_at=row.started_at)
    if row.purpose == NIGHTLY:
        rows = rows.filter(account=row.account_id)
    return rows.order_by("pk")


def progress_of(rows: Collection[Reconciliation]) -> dict[str, ReconcileProgress]:
    """Progress by id. One query for any number of rows."""
    is_broken = Q(phase__in=[ReconcilePhase.FAILED, ReconcilePhase.STOPPED])
    groups = (
        ReconcileRun.objects.filter(purpose__in={row.purpose for row in rows})
        .order_by()
        .values_list("purpose", "account_id", "started_at")
        .annotate(
            steps=Count("pk"),
            finished=Count("pk", filter=Q(finished_at__isnull=False)),
            broken=Count("pk", filter=is_broken),
            total=Sum("compared"),
        )
    )
    sums = {row.pk: ReconcileProgress() for row in rows}
    for purpose, account_id, started_at, *counts in groups:
        for row in rows:
            is_of_account = purpose != NIGHTLY or account_id == row.account_id
            if (purpose, started_at) == (row.purpose, row.started_at) and is_of_account:
                sums[row.pk] = sums[row.pk].plus(*counts)
    return sums


def with_progress(rows: QuerySet[Reconciliation]) -> QuerySet[Reconciliation]:
    """The rows with ``step_count``, ``finished_count``, ``compared_count``, ``found_count``,
    ``healed_count`` and ``parked_count`` as they are now. No further query."""
    steps_of_row = ReconcileRun.objects.annotate(
        account_key=Coalesce("account_id", Value(""))
    ).filter(
        Q(account_key=OuterRef("account_key")) | ~Q(purpose=NIGHTLY),
        purpose=OuterRef("purpose"),
        started_at=OuterRef("started_at"),
    )
    reports = DriftReport.objects.across_projects().filter(run=OuterRef("pk"))
    return rows.annotate(
        account_key=Coalesce("account_id", Value("")),
        step_count=_aggregate(steps_of_row, Count("pk")),
        finished_count=_aggregate(steps_of_row.filter(finished_at__isnull=False), Count("pk")),
        compared_count=_aggregate(steps_of_row, Sum("compared")),
        found_count=_aggregate(reports, Count("pk")),
        healed_count=_aggregate(reports.filter(state=DriftState.HEALED), Count("pk")),
        parked_count=_aggregate(reports.filter(state=DriftState.PARKED), Count("pk")),
    )


def _aggregate(rows: QuerySet[Any], aggregate: Aggregate) -> Coalesce:
    """The aggregate of all these rows as one value; 0 without rows."""
    grouped = rows.order_by().annotate(all_rows=Value(1)).values("all_rows")
    value = Subquery(grouped.annotate(value=aggregate).values("value"))
    return Coalesce(value, 0, output_field=BigIntegerField())


def purgeable(*, before: datetime) -> QuerySet[Reconciliation]:
    return Reconciliation.objects.filter(finished_at__lt=before)


def started_by_project_since(
    project: Project, *, account: StripeAccount, at: datetime, within: timedelta
) -> datetime | None:
    """When the project last started one of this account, if that was within this time."""
    rows = Reconciliation.objects.filter(
        project=project, account=account, started_at__gt=at - within, started_by__startswith="key:"
    )
    return rows.order_by("-started_at").values_list("started_at", flat=True).first()


def _at_their_turn() -> QuerySet[Reconciliation]:
    """The oldest unfinished and unpaused reconciliation of each account."""
    candidates = Reconciliation.objects.filter(
        finished_at__isnull=True, state=ReconciliationState.RUNNING
    )
    oldest = candidates.filter(account=OuterRef("account")).order_by("pk").values("pk")[:1]
    return candidates.filter(account__isnull=False, pk=Subquery(oldest))
