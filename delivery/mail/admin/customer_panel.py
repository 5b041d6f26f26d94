"""The customer page's panel of messages."""

from datetime import datetime

from django.http import HttpRequest

from common.admin import columns
from common.admin.sections import Section
from common.combined_lists import RowList
from delivery.models import Notification
from projects.customers.admin import panels
from projects.models import Customer


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    rows = Notification.objects.for_project(customer.project_id).filter(recipient=customer.pk)
    return {"messages": RowList(rows.order_by("-pk")[: panels.MAX_ROWS])}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    return [
        Section(
            title="Messages",
            note="to the customer",
            headers=["When", "Kind", "State", "Reason", "About"],
            rows=[
                [
                    columns.moment(row.created_at),
                    columns.link(row, row.kind),
                    columns.badge(row.state),
                    row.reason or columns.EMPTY,
                    columns.code(row.subject),
                ]
                for row in rows["messages"]
            ],
            empty="None yet.",
            more=columns.listing("delivery.notification", q=customer.pk),
        )
    ]


PANEL = panels.CustomerPanel(_lists, _show)
