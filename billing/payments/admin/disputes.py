from typing import Any

from django.contrib import admin

from billing.models import Dispute
from billing.models.dispute import DisputeStage
from billing.models.sync_object import ObjectKind
from billing.sync.admin import read_again
from billing.sync.admin.mirrors import STRIPE, MirrorAdmin
from billing.sync.read_again import RereadObject
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sidebar import SidebarEntry, SidebarGroup

STATUSES = (
    "needs_response",
    "under_review",
    "won",
    "lost",
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
)
TONES = {
    DisputeStage.INQUIRY: "info",
    DisputeStage.OPEN: "warning",
    DisputeStage.WON: "success",
    DisputeStage.LOST: "danger",
}


@admin.register(Dispute)
class DisputeAdmin(MirrorAdmin):
    """Disputes, read only. A read of the payment refreshes them; evidence is sent at Stripe."""

    sidebar = SidebarEntry(SidebarGroup.MONEY, 5, "Disputes", icon="gavel")
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
        "stage_badge",
        "shown_amount",
        "evidence_due_by",
        "reason",
        "customer_link",
        "project_link",
        "payment_link",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", STATUSES),
        filters.dates("opened_at"),
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
                    "stage_badge",
                    "status",
                    "shown_amount",
                    "reason",
                    "evidence_due_by",
                    "opened_at",
                )
            },
        ),
        STRIPE,
    ]

    def object_to_read(self, row: Any) -> RereadObject:
        return read_again.object_of(row.payment, kind=self.kind, subject=row.pk)

    @display(description="Stage", ordering="status")
    def stage_badge(self, row: Dispute) -> object:
        return columns.badge(row.stage, tone=TONES[row.stage])

    @display(description="Amount", ordering="amount")
    def shown_amount(self, row: Dispute) -> str:
        return columns.money(row.amount, row.currency)

    @display(description="Payment")
    def payment_link(self, row: Dispute) -> object:
        return columns.link(row.payment, row.payment_id)

    @display(description="Customer")
    def customer_link(self, row: Dispute) -> object:
        return columns.link(row.payment.customer)
