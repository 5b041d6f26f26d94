from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.admin import tables
from billing.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from billing.models import Invoice, Subscription, SubscriptionItem
from billing.models.subscription import SubscriptionStatus
from billing.models.sync_object import Kind
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sections import Section


@admin.register(Subscription)
class SubscriptionAdmin(MirrorAdmin):
    kind = Kind.SUBSCRIPTION
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "status_badge",
        "sold",
        "renews",
        "cancel_at",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", SubscriptionStatus.values),
        filters.dates("started_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "status_badge",
                    "started_at",
                    "trial_ends_at",
                    "cancel_at",
                    "canceled_at",
                    "ended_at",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.prefetch_related("items__price__product")

    @display(description="Sold")
    def sold(self, row: Subscription) -> str:
        return tables.sold(row.items.all()) or columns.EMPTY

    @display(description="Period ends")
    def renews(self, row: Subscription) -> str:
        ends = [item.period_end for item in row.items.all()]
        return columns.moment(min(ends)) if ends else columns.EMPTY

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        invoices = Invoice.objects.for_project(row.project_id).filter(subscription=row)
        return [items(row.items.all()), tables.invoices(invoices.order_by("-pk")[:20])]


def items(rows: Sequence[SubscriptionItem]) -> Section:
    return Section(
        title="Items",
        headers=["Product", "Price", "Quantity", "Period starts", "Period ends", "Stripe id"],
        rows=[
            [
                columns.link(item.price.product) if item.price else "not in the catalog",
                columns.link(item.price) if item.price else columns.code(item.price_stripe_id),
                item.quantity,
                columns.moment(item.period_start),
                columns.moment(item.period_end),
                columns.code(item.stripe_id),
            ]
            for item in rows
        ],
        right=[2],
    )
