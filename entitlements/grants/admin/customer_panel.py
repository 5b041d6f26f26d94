"""The customer page's panel of decisions, their reasons, and manual grants."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from common.admin import columns
from common.admin.sections import Button, Section
from common.combined_lists import RowList
from entitlements.decisions.admin import decisions as decision_tables
from entitlements.decisions.selectors import decisions
from entitlements.grants.admin.grants import format_features
from entitlements.models import Grant
from entitlements.resolution.evaluation_context import build_context
from projects.customers.admin import panels
from projects.models import Customer


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    rows = Grant.objects.for_project(customer.project_id).filter(customer=customer)
    return {"grants": RowList(rows.order_by("-pk")[: panels.MAX_ROWS])}


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    _, explanations = decisions.explain_all(
        project=customer.project, user_id=customer.pk, context=build_context(at)
    )
    return [
        decision_tables.build_section(explanations.values()),
        _grants(request, customer, rows["grants"], at),
    ]


PANEL = panels.CustomerPanel(_lists, _show)


def _grants(request: HttpRequest, customer: Customer, rows: list[Grant], at: datetime) -> Section:
    return Section(
        title="Grants",
        headers=["Grant", "Effect", "Features", "Status", "Reason", "Expires", ""],
        rows=[
            [
                columns.link(row, row.pk),
                columns.badge(row.effect),
                format_features(row),
                columns.badge(row.status(at)),
                columns.shortened(row.reason),
                columns.moment(row.expires_at),
                _end(request, row, at),
            ]
            for row in rows
        ],
        prose=[2, 4],
        empty="Nothing was granted or taken away by hand.",
        more=columns.listing("entitlements.grant", q=customer.pk),
    )


def _end(request: HttpRequest, row: Grant, at: datetime) -> object:
    if row.status(at) not in ("active", "scheduled"):
        return ""
    if not request.user.has_perm("entitlements.change_grant"):
        return ""
    return Button("End", reverse("admin:entitlements_grant_revoke", args=[row.pk])).render()
