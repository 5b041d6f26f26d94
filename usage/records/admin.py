"""What a customer has used this month, meter by meter: on the customer's page."""

from datetime import datetime

from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from common.together import Listed
from projects.customers.admin import panels
from projects.models import Customer
from usage.meters import selectors as meters
from usage.periods import Period, Unit
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span


def _lists(customer: Customer, at: datetime) -> dict[str, Listed]:
    rows = meters.listing(project=customer.project_id).order_by("code")
    return {"meters": Listed(rows[: panels.MOST])}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, found: panels.Rows
) -> list[Section]:
    rows = found["meters"]
    windows = [Period(unit).window(at) for unit in (Unit.DAY, Unit.MONTH)]
    spans = [Span(customer.pk, row.pk, *window) for row in rows for window in windows]
    figures = iter(totals.figures(project_id=customer.project_id, spans=spans))
    return [
        Section(
            title="Usage",
            headers=["Meter", "Counts", "Unit", "Today", "This month"],
            rows=[
                [
                    columns.link(row, row.code),
                    row.get_aggregation_display(),
                    row.unit,
                    *(f"{next(figures):,}" for _ in windows),
                ]
                for row in rows
            ],
            right=[3, 4],
            empty="The project counts nothing: it has no meters.",
            more=columns.listing("usage.meter", project__id__exact=customer.project_id),
        )
    ]


PANEL = panels.Panel(_lists, _show)
