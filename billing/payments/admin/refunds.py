from typing import Any

from django.contrib import admin

from billing.models import Refund
from billing.models.sync_object import ObjectKind
from billing.sync.admin import read_again
from billing.sync.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from billing.sync.read_again import RereadObject
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sidebar import SidebarEntry, SidebarGroup

STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")


@admin.register(Refund)
class RefundAdmin(MirrorAdmin):
    """Refunds, read only. A read of the payment refreshes them."""

    sidebar = SidebarEntry(SidebarGroup.MONEY, 4, "Refunds", icon="undo")
    kind = ObjectKind.PAYMENT_INTENT
    search_fields = [
        "id__exact",
        "stripe_id__exact",
        "payment__id__exact",
        "payment__customer__user_id__exact",
    ]
    list_select_related = ["project", "payment__customer", "account"]
    list_display = [
        "id",
        "payment_link",
        "customer_link",
        "project_link",
        "status_badge",
        "shown_amount",
        "refunded_at",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", STATUSES),
        filters.dates("refunded_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "payment",
                    "customer_link",
                    "status_badge",
                    "shown_amount",
                    "reason",
                    "failure_reason",
                    "refunded_at",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def object_to_read(self, row: Any) -> RereadObject:
        return read_again.object_of(row.payment, kind=self.kind, subject=row.pk)

    @display(description="Amount", ordering="amount")
    def shown_amount(self, row: Refund) -> str:
        return columns.money(row.amount, row.currency)

    @display(description="Payment")
    def payment_link(self, row: Refund) -> object:
        return columns.link(row.payment, row.payment_id)

    @display(description="Customer")
    def customer_link(self, row: Refund) -> object:
        return columns.link(row.payment.customer)
