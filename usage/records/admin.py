"""The customer page's panel of this month's usage, by meter."""

from datetime import datetime

from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from common.combined_lists import RowList
from projects.customers.admin import panels
from projects.models import Customer
from usage.meters import selectors as meters
from usage.periods import Period, Unit
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    rows = meters.listing(project=customer.project_id).order_by("code")
    return {"meters": RowList(rows[: panels.MAX_ROWS])}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, lists: panels.Rows
) -> list[Section]:
    rows = lists["meters"]
    windows = [Period(unit).window(at) for unit in (Unit.DAY, Unit.MONTH)]
    spans = [Span(customer.pk, row.pk, *window) for row in rows for window in windows]
    usage = iter(totals.usage_of_spans(project_id=customer.project_id, spans=spans))
    return [
        Section(
            title="Usage",
            headers=["Meter", "Counts", "Unit", "Today", "This month"],
            rows=[
                [
                    columns.link(row, row.code),
                    row.get_aggregation_display(),
                    row.unit,
                    *(f"{next(usage):,}" for _ in windows),
                ]
                for row in rows
            ],
            right=[3, 4],
            empty="The project has no meters.",
            more=columns.listing("usage.meter", project__id__exact=customer.project_id),
        )
    ]


PANEL = panels.CustomerPanel(_lists, _show)
