"""Sections of the console's customer page: subscriptions, payments, invoices, checkouts, carts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import OuterRef
from django.http import HttpRequest

from billing.models import (
    Cart,
    CartLine,
    Checkout,
    CheckoutLine,
    Invoice,
    Payment,
    StripeCustomer,
    Subscription,
    SubscriptionItem,
)
from billing.sync.admin import tables
from common.admin import columns
from common.admin.sections import Section
from common.combined_lists import RowList
from projects.customers.admin.panels import MAX_ROWS, CustomerPanel, Rows
from projects.models import Customer


def _list_rows(customer: Customer, at: datetime) -> dict[str, RowList]:
    def newest(model: Any) -> Any:
        rows = model.objects.for_project(customer.project_id).filter(customer=customer)
        return rows.order_by("-pk")[:MAX_ROWS]

    def lines_of(model: Any, parent: str) -> RowList:
        rows = model.objects.for_project(customer.project_id).filter(**{parent: OuterRef("pk")})
        return RowList(rows.order_by("pk"), related=["price__product"])

    return {
        "subscriptions": RowList(
            newest(Subscription), children={"items": lines_of(SubscriptionItem, "subscription")}
        ),
        "payments": RowList(newest(Payment)),
        "invoices": RowList(newest(Invoice)),
        "checkouts": RowList(
            newest(Checkout), children={"lines": lines_of(CheckoutLine, "checkout")}
        ),
        "carts": RowList(
            newest(Cart), related=["checkout"], children={"lines": lines_of(CartLine, "cart")}
        ),
        "stripe_customers": RowList(newest(StripeCustomer), related=["account"]),
    }


def _build_sections(
    request: HttpRequest, customer: Customer, at: datetime, rows: Rows
) -> list[Section]:
    return [
        tables.subscriptions(rows["subscriptions"], more=_list_url("subscription", customer)),
        tables.payments(rows["payments"], more=_list_url("payment", customer)),
        tables.invoices(rows["invoices"], more=_list_url("invoice", customer)),
        tables.checkouts(rows["checkouts"], more=_list_url("checkout", customer)),
        tables.carts(rows["carts"], at=at, more=_list_url("cart", customer)),
        _stripe_customers_section(rows["stripe_customers"]),
    ]


PANEL = CustomerPanel(_list_rows, _build_sections)


def _list_url(noun: str, customer: Customer) -> str:
    return columns.listing(f"billing.{noun}", q=customer.pk)


def _stripe_customers_section(rows: Iterable[StripeCustomer]) -> Section:
    return Section(
        title="At Stripe",
        headers=["Customer", "Stripe id", "Account", "Balance", "Read"],
        rows=[
            [
                columns.link(row, row.pk),
                columns.code(row.stripe_id),
                columns.link(row.account),
                columns.money(row.balance, row.currency) if row.currency else columns.EMPTY,
                columns.moment(row.synced_at),
            ]
            for row in rows
        ],
        empty="This customer does not exist at Stripe yet.",
        right=[3],
    )
