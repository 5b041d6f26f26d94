"""What a customer has used this month, meter by meter: on the customer's page."""

from datetime import datetime

from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from projects.admin import panels
from projects.models import Customer
from usage.periods import Period, Unit
from usage.selectors import meters, totals
from usage.selectors.totals import Span


def panel(request: HttpRequest, customer: Customer, at: datetime) -> list[Section]:
    rows = list(meters.listing(project=customer.project_id).order_by("code")[: panels.MOST])
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
