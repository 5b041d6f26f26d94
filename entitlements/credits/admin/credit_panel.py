"""The customer page's panel of credit grants and the latest ledger transactions."""

from collections.abc import Sequence
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from common.admin import columns
from common.admin.sections import Button, Section
from common.combined_lists import RowList
from entitlements.credits.selectors import credit_history
from entitlements.models import CreditGrant, CreditTransaction
from projects.customers.admin import panels
from projects.models import Customer


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    """What the customer can spend and where it came from, and what moved last."""
    grants = credit_history.unspent_grants(customer, at=at)
    transactions = CreditTransaction.objects.for_project(customer.project_id).filter(
        customer=customer
    )
    return {
        "left": RowList(grants[: panels.MAX_ROWS], annotations=credit_history.SUM_COLUMNS),
        "moved": RowList(transactions.order_by("-pk")[: panels.MAX_ROWS]),
    }


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    credits = credit_history.build_credits(customer, rows["left"])
    return [_grants(request, customer, credits, at), _movements(rows["moved"])]


PANEL = panels.CustomerPanel(_lists, _show)


def _grants(
    request: HttpRequest, customer: Customer, credits: credit_history.CustomerCredits, at: datetime
) -> Section:
    reserved = f", {credits.reserved} reserved" if credits.reserved else ""
    withheld = f", {credits.withheld} withheld" if credits.withheld else ""
    return Section(
        title="Credits",
        headers=["Credits", "From", "Left", "Of", "Status", "Expires", ""],
        rows=[
            [
                columns.link(row, row.pk),
                row.get_source_type_display(),
                row.available + row.reserved + row.withheld,
                row.due,
                columns.badge(row.status(at)),
                columns.moment(row.expires_at),
                _take_back(request, row),
            ]
            for row in credits.grants
        ],
        note=f"{credits.balance} to spend{reserved}{withheld}.",
        right=[2, 3],
        empty="Nothing is left, or ever was.",
        more=columns.listing("entitlements.creditgrant", q=customer.pk),
    )


def _movements(rows: Sequence[CreditTransaction]) -> Section:
    return Section(
        title="Credits: what moved",
        headers=["When", "What", "Amount", "Balance", "Why"],
        rows=[
            [
                columns.moment(row.occurred_at),
                columns.badge(row.movement),
                row.amount,
                row.balance,
                describe_purpose(row),
            ]
            for row in rows
        ],
        right=[2, 3],
        prose=[4],
        empty="Nothing moved yet.",
    )


def describe_purpose(row: CreditTransaction) -> str:
    """Feature, reason and reference of a transaction, shortened."""
    return columns.shortened(" · ".join(filter(None, (row.feature, row.reason, row.reference))))


def _take_back(request: HttpRequest, row: CreditGrant) -> object:
    if row.revoked_at or not request.user.has_perm("entitlements.change_creditgrant"):
        return ""
    href = reverse("admin:entitlements_creditgrant_take_back", args=[row.pk])
    return Button("Take back", href).render()
