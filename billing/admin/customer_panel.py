"""What a customer bought: on the customer's page."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest

from billing.admin import tables
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
from common.admin import columns
from common.admin.sections import Section
from projects.admin.panels import MOST
from projects.models import Customer


def panel(request: HttpRequest, customer: Customer, at: datetime) -> list[Section]:
    whose = {"customer": customer}
    project = customer.project_id
    subscriptions = Subscription.objects.for_project(project).filter(**whose)
    carts = Cart.objects.for_project(project).filter(**whose).select_related("checkout")
    checkouts = Checkout.objects.for_project(project).filter(**whose)
    payments = Payment.objects.for_project(project).filter(**whose)
    invoices = Invoice.objects.for_project(project).filter(**whose)
    known_as = StripeCustomer.objects.for_project(project).filter(**whose)
    return [
        tables.subscriptions(
            subscriptions.prefetch_related(_sold("items", SubscriptionItem, project)).order_by(
                "-pk"
            )[:MOST],
            more=_more("subscription", customer),
        ),
        tables.payments(payments.order_by("-pk")[:MOST], more=_more("payment", customer)),
        tables.invoices(invoices.order_by("-pk")[:MOST], more=_more("invoice", customer)),
        tables.checkouts(
            checkouts.prefetch_related(_sold("lines", CheckoutLine, project)).order_by("-pk")[
                :MOST
            ],
            more=_more("checkout", customer),
        ),
        tables.carts(
            carts.prefetch_related(_sold("lines", CartLine, project)).order_by("-pk")[:MOST],
            at=at,
            more=_more("cart", customer),
        ),
        _at_stripe(known_as.select_related("account").order_by("-pk")[:MOST]),
    ]


def _sold(
    lines: str, model: type[SubscriptionItem | CheckoutLine | CartLine], project: str
) -> "Prefetch[str, QuerySet[Any], str]":
    """The lines with their prices and products, in one query."""
    rows = model.objects.for_project(project).select_related("price__product").order_by("pk")
    return Prefetch(lines, queryset=rows)


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
