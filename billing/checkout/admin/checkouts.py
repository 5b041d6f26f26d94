from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.models import Checkout, Payment, Subscription
from billing.models.checkout import CheckoutStatus, CheckoutType
from billing.models.sync_object import ObjectKind
from billing.sync.admin import tables
from billing.sync.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup


@admin.register(Checkout)
class CheckoutAdmin(MirrorAdmin):
    sidebar = SidebarEntry(SidebarGroup.MONEY, 2, "Checkouts", icon="shopping_cart_checkout")
    kind = ObjectKind.CHECKOUT_SESSION
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "type",
        "status_badge",
        "sold",
        "shown_total",
        "created_at",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", CheckoutStatus.values),
        filters.words("type", CheckoutType.values),
        filters.dates("created_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "type",
                    "status_badge",
                    "payment_status",
                    "shown_total",
                    "trial_period_days",
                    "allow_promotion_codes",
                    "created_at",
                    "completed_at",
                    "expires_at",
                    "success_url",
                    "cancel_url",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("lines__price__product")

    @display(description="Sold")
    def sold(self, row: Checkout) -> str:
        return tables.sold(row.lines.all()) or columns.EMPTY

    @display(description="Total", ordering="amount_total")
    def shown_total(self, row: Checkout) -> str:
        return columns.money(row.amount_total, row.currency)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [_lines_section(row), *_result_sections(row)]


def _lines_section(row: Checkout) -> Section:
    return Section(
        title="Lines",
        headers=["Product", "Price", "Quantity"],
        rows=[
            [columns.link(line.price.product), columns.link(line.price), line.quantity]
            for line in row.lines.all()
        ],
        right=[2],
    )


def _result_sections(row: Checkout) -> Sequence[Section]:
    """The subscription or the payment that the page created."""
    if row.type == CheckoutType.SUBSCRIPTION:
        subscriptions = Subscription.objects.for_project(row.project_id).filter(
            account_id=row.account_id, stripe_id=row.subscription_stripe_id
        )
        return [tables.subscriptions(tables.with_lines(subscriptions, "items"))]
    payments = Payment.objects.for_project(row.project_id).filter(
        account_id=row.account_id, stripe_id=row.payment_stripe_id
    )
    return [tables.payments(payments)]
