"""Tables on the page of a reconciliation: its steps, and the newest differences."""

from billing.models import DriftReport, Reconciliation
from billing.operations.selectors import drift_reports, reconciliations
from common.admin import columns
from common.admin.sections import Section

MAX_SHOWN = 20


def steps(row: Reconciliation) -> Section:
    return Section(
        title="Steps",
        headers=["Kind", "Phase", "Compared", "Last page", "Error"],
        rows=[
            [
                step.step.replace("_", " "),
                columns.badge(step.phase),
                step.compared,
                columns.moment(step.touched_at),
                columns.shortened(step.last_error),
            ]
            for step in reconciliations.steps(row)
        ],
        empty="The steps are not kept any more.",
        right=[2],
        prose=[4],
    )


def reports(row: Reconciliation) -> Section:
    newest = drift_reports.visible_to(None).filter(run=row).select_related("project")
    return Section(
        title="Differences",
        headers=["Object", "Project", "Class", "State"],
        rows=[_report(report) for report in newest.order_by("-pk")[:MAX_SHOWN]],
        more=columns.listing("billing.driftreport", q=row.pk),
    )


def _report(report: DriftReport) -> list[object]:
    return [
        columns.link(report),
        columns.link(report.project),
        columns.badge(report.drift_class, tone="default"),
        columns.badge(report.state),
    ]
