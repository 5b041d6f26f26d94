"""The customer page's panel of open reservations."""

from datetime import datetime

from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from common.combined_lists import RowList
from entitlements.consumption import selectors as reservations
from projects.customers.admin import panels
from projects.models import Customer


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    rows = reservations.open_of(customer)[: panels.MAX_ROWS]
    return {"open": RowList(rows, related=["feature"])}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    return [
        Section(
            title="Reservations",
            headers=["Reservation", "Feature", "Amount", "Credits", "Status", "Made", "Expires"],
            rows=[
                [
                    columns.code(row.pk),
                    columns.link(row.feature, row.feature.code),
                    row.amount,
                    row.credits or "",
                    columns.badge(row.status(at)),
                    columns.moment(row.created_at),
                    columns.moment(row.expires_at),
                ]
                for row in rows["open"]
            ],
            right=[2, 3],
            empty="Nothing is set aside.",
            note="What the customer's software has set aside and neither used nor given back yet.",
        )
    ]


PANEL = panels.CustomerPanel(_lists, _show)
