"""The customer page's panel of events and audit entries."""

from datetime import datetime

from django.db.models import Q
from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from common.combined_lists import RowList
from events.models import AuditEntry, OutboxEvent
from projects.customers.admin import panels
from projects.models import Customer


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    """More events than are shown: their subjects select the audit entries."""
    events = OutboxEvent.objects.for_project(customer.project_id).filter(customer_id=customer.pk)
    return {"events": RowList(events.order_by("-pk")[:100], excluded=("data", "previous"))}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    events = rows["events"]
    about = Q(subject=customer.pk) | Q(subject__in={event.subject for event in events})
    audit_entries = AuditEntry.objects.filter(about, project_id=customer.project_id)
    return [
        _event_section(events[: panels.MAX_ROWS], customer),
        _audit_section(list(audit_entries.order_by("-pk")[: panels.MAX_ROWS])),
    ]


PANEL = panels.CustomerPanel(_lists, _show)


def _event_section(rows: list[OutboxEvent], customer: Customer) -> Section:
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


def _audit_section(rows: list[AuditEntry]) -> Section:
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
        empty="No manual actions.",
        prose=[4],
    )
