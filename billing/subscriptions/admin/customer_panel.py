"""What a customer bought: on the customer's page."""

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


def _lists(customer: Customer, at: datetime) -> dict[str, RowList]:
    def newest(model: Any) -> Any:
        rows = model.objects.for_project(customer.project_id).filter(customer=customer)
        return rows.order_by("-pk")[:MAX_ROWS]

    def sold(model: Any, noun: str) -> RowList:
        rows = model.objects.for_project(customer.project_id).filter(**{noun: OuterRef("pk")})
        return RowList(rows.order_by("pk"), related=["price__product"])

    return {
        "subscriptions": RowList(
            newest(Subscription), children={"items": sold(SubscriptionItem, "subscription")}
        ),
        "payments": RowList(newest(Payment)),
        "invoices": RowList(newest(Invoice)),
        "checkouts": RowList(newest(Checkout), children={"lines": sold(CheckoutLine, "checkout")}),
        "carts": RowList(
            newest(Cart), related=["checkout"], children={"lines": sold(CartLine, "cart")}
        ),
        "known_as": RowList(newest(StripeCustomer), related=["account"]),
    }


def _show(request: HttpRequest, customer: Customer, at: datetime, rows: Rows) -> list[Section]:
    return [
        tables.subscriptions(rows["subscriptions"], more=_more("subscription", customer)),
        tables.payments(rows["payments"], more=_more("payment", customer)),
        tables.invoices(rows["invoices"], more=_more("invoice", customer)),
        tables.checkouts(rows["checkouts"], more=_more("checkout", customer)),
        tables.carts(rows["carts"], at=at, more=_more("cart", customer)),
        _at_stripe(rows["known_as"]),
    ]


PANEL = CustomerPanel(_lists, _show)


def _more(noun: str, customer: Customer) -> str:
    return columns.listing(f"billing.{noun}", q=customer.pk)


def _at_stripe(rows: Iterable[StripeCustomer]) -> Section:
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
        empty="Stripe does not know this customer yet.",
        right=[3],
    )
