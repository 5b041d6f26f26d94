"""Tables of subscriptions, checkouts and carts, for the pages of customers and related rows."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from django.db.models import Model, Prefetch, QuerySet
from django.utils.html import format_html_join

from billing.models import (
    Cart,
    CartLine,
    Checkout,
    CheckoutLine,
    Invoice,
    Payment,
    Subscription,
    SubscriptionItem,
)
from common.admin import columns
from common.admin.sections import Section

RowT = TypeVar("RowT", bound=Model)


def sold(lines: Iterable[SubscriptionItem | CheckoutLine | CartLine]) -> str:
    """``2 × Pro, Extra seats``: products by name, each with its number when that is not one."""
    return format_html_join(
        ", ", "{}{}", ((_times(line.quantity), _product(line)) for line in lines)
    )


def _times(quantity: int) -> str:
    return f"{quantity} × " if quantity != 1 else ""


def _product(line: SubscriptionItem | CheckoutLine | CartLine) -> str:
    if line.price is not None:
        return line.price.product.name
    return line.price_stripe_id


def with_lines(rows: QuerySet[RowT], relation: str) -> QuerySet[RowT]:
    """The rows with the items or lines that a table shows, in ``loaded_<relation>``."""
    loaded = f"loaded_{relation}"
    return rows.prefetch_related(Prefetch(relation, to_attr=loaded), f"{loaded}__price__product")


def subscriptions(rows: Iterable[Subscription], *, more: str = "") -> Section:
    """Needs the rows :func:`with_lines`, ``items``."""
    return Section(
        title="Subscriptions",
        headers=["Subscription", "Status", "Sold", "Started", "Period ends", "Ends"],
        rows=[
            [
                columns.link(row, row.pk),
                columns.badge(row.status),
                sold(items := row.loaded_items),  # type: ignore[attr-defined]  # with_lines
                columns.moment(row.started_at),
                columns.moment(min((item.period_end for item in items), default=None)),
                columns.moment(row.ended_at or row.cancel_at),
            ]
            for row in rows
        ],
        empty="No subscription.",
        more=more,
        prose=[2],
    )


def payments(rows: Iterable[Payment], *, more: str = "") -> Section:
    return Section(
        title="Payments",
        headers=["Payment", "Status", "Amount", "Refunded", "Paid"],
        rows=[
            [
                columns.link(row, row.pk),
                columns.badge(row.status),
                columns.money(row.amount, row.currency),
                columns.money(row.amount_refunded or None, row.currency),
                columns.moment(row.paid_at),
            ]
            for row in rows
        ],
        empty="No payment.",
        more=more,
        right=[2, 3],
    )


def invoices(rows: Iterable[Invoice], *, more: str = "") -> Section:
    return Section(
        title="Invoices",
        headers=["Invoice", "Status", "Total", "Paid", "Issued"],
        rows=[
            [
                columns.link(row),
                columns.badge(row.status),
                columns.money(row.total, row.currency),
                columns.money(row.amount_paid, row.currency),
                columns.moment(row.issued_at),
            ]
            for row in rows
        ],
        empty="No invoice.",
        more=more,
        right=[2, 3],
    )


def checkouts(rows: Iterable[Checkout], *, more: str = "") -> Section:
    """Needs the rows :func:`with_lines`, ``lines``."""
    return Section(
        title="Checkouts",
        headers=["Checkout", "Type", "Status", "Sold", "Total", "Opened"],
        rows=[
            [
                columns.link(row, row.pk),
                row.get_type_display(),
                columns.badge(row.status),
                sold(row.loaded_lines),  # type: ignore[attr-defined]  # with_lines
                columns.money(row.amount_total, row.currency),
                columns.moment(row.created_at),
            ]
            for row in rows
        ],
        empty="No checkout.",
        more=more,
        right=[4],
        prose=[3],
    )


def carts(rows: Iterable[Cart], *, at: datetime, more: str = "") -> Section:
    """Needs the rows :func:`with_lines`, ``lines``."""
    return Section(
        title="Carts",
        headers=["Cart", "Status", "Holds", "Checkout", "Made", "Ends"],
        rows=[
            [
                columns.link(row, row.pk),
                columns.badge(row.status_at(at)),
                sold(row.loaded_lines) or columns.EMPTY,  # type: ignore[attr-defined]  # with_lines
                columns.link(row.checkout),
                columns.moment(row.created_at),
                columns.moment(row.expires_at),
            ]
            for row in rows
        ],
        empty="No cart.",
        more=more,
        prose=[2],
    )
