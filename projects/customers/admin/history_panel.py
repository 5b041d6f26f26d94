"""What happened to a customer: what its project was told, and what was done by hand."""

from datetime import datetime

from django.db.models import Q
from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from common.together import Listed
from events.models import AuditEntry, OutboxEvent
from projects.customers.admin import panels
from projects.models import Customer


def _lists(customer: Customer, at: datetime) -> dict[str, Listed]:
    """More events than are shown: by these the rows are found to which something was done by
    hand."""
    told = OutboxEvent.objects.for_project(customer.project_id).filter(customer_id=customer.pk)
    return {"told": Listed(told.order_by("-pk")[:100], without=("data", "previous"))}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    told = rows["told"]
    about = Q(subject=customer.pk) | Q(subject__in={each.subject for each in told})
    done = AuditEntry.objects.filter(about, project_id=customer.project_id)
    return [
        _told(told[: panels.MOST], customer),
        _done(list(done.order_by("-pk")[: panels.MOST])),
    ]


PANEL = panels.Panel(_lists, _show)


def _told(rows: list[OutboxEvent], customer: Customer) -> Section:
    return Section(
        title="What happened",
        note="as the project is told",
        headers=["When", "Event", "About", "Version"],
        rows=[
            [
                columns.moment(row.occurred_at),
                columns.link(row, row.type),
                columns.code(row.subject),
                row.version,
            ]
            for row in rows
        ],
        empty="Nothing yet.",
        more=columns.listing("events.outboxevent", q=customer.pk),
        right=[3],
    )


def _done(rows: list[AuditEntry]) -> Section:
    return Section(
        title="Done by hand",
        headers=["When", "What", "About", "By", "Why"],
        rows=[
            [
                columns.moment(row.recorded_at),
                columns.link(row, row.action),
                columns.code(row.subject),
                row.actor,
                columns.shortened(row.reason),
            ]
            for row in rows
        ],
        empty="Nothing was done by hand.",
        prose=[4],
    )
