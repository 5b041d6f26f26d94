"""Drift reports: open ones of a step, and lists for tenants and operators."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Count

from billing.models import DriftReport
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project


def visible_to(project: Project | None) -> ProjectQuerySet[DriftReport]:
    """The reports of one project; without one those of all, for the platform."""
    if project is None:
        return DriftReport.objects.across_projects()
    return DriftReport.objects.for_project(project)


def find_open(
    *, project_id: str, account_id: str | None, kind: str, object_key: str
) -> DriftReport | None:
    """The open report of the object."""
    rows = DriftReport.objects.for_project(project_id).filter(
        account_id=account_id, kind=kind, object_key=object_key, closed_at__isnull=True
    )
    return rows.first()


def get(*, project: Project | None, report_id: str) -> DriftReport:
    """The report; raises NotFound for one of another project."""
    report = visible_to(project).filter(pk=report_id).first()
    if report is None:
        raise NotFound
    return report


def open_reports(*, account_id: str | None, kind: str) -> ProjectQuerySet[DriftReport]:
    rows: ProjectQuerySet[DriftReport] = DriftReport.objects.across_projects()
    return rows.filter(account_id=account_id, kind=kind, closed_at__isnull=True)


def closed(*, before: datetime) -> ProjectQuerySet[DriftReport]:
    rows: ProjectQuerySet[DriftReport] = DriftReport.objects.across_projects()
    return rows.filter(closed_at__lt=before)


def listing(
    *,
    project: Project | None,
    account_id: str | None = None,
    project_id: str | None = None,
    reconciliation_id: str | None = None,
    found_before: datetime | None = None,
    **values: str,
) -> ProjectQuerySet[DriftReport]:
    """The reports that the caller may see, with these values: kind, drift_class, state."""
    conditions = {
        "account_id": account_id,
        "project_id": project_id,
        "run_id": reconciliation_id,
        "first_found_at__lt": found_before,
        **values,
    }
    return visible_to(project).filter(
        **{name: value for name, value in conditions.items() if value is not None}
    )


def counts_of_runs(run_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """Number of reports by state, for each reconciliation that has any. One query."""
    if not run_ids:
        return {}
    rows = DriftReport.objects.across_projects().filter(run_id__in=run_ids)
    counts: dict[str, dict[str, int]] = {}
    for run_id, state, count in (
        rows.order_by().values_list("run_id", "state").annotate(n=Count("pk"))
    ):
        counts.setdefault(str(run_id), {})[state] = count
    return counts
