from django.contrib import admin

from billing.models import EarlyFraudWarning
from billing.models.sync_object import ObjectKind
from billing.sync.admin.mirrors import STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sidebar import SidebarEntry, SidebarGroup


@admin.register(EarlyFraudWarning)
class EarlyFraudWarningAdmin(MirrorAdmin):
    """Early fraud warnings of card issuers, read only. An operator decides whether to refund."""

    sidebar = SidebarEntry(SidebarGroup.MONEY, 6, "Fraud warnings", icon="report")
    kind = ObjectKind.FRAUD_WARNING
    search_fields = [
        "id__exact",
        "stripe_id__exact",
        "payment__id__exact",
        "payment__customer__user_id__exact",
    ]
    list_select_related = ["project", "payment__customer", "account"]
    list_display = [
        "id",
        "actionable_badge",
        "fraud_type",
        "shown_amount",
        "customer_link",
        "project_link",
        "payment_link",
        "warned_at",
        "stripe_code",
    ]
    list_filter = [filters.PROJECT, filters.dates("warned_at")]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "payment",
                    "customer_link",
                    "actionable_badge",
                    "fraud_type",
                    "warned_at",
                )
            },
        ),
        STRIPE,
    ]

    @display(description="Status", ordering="actionable")
    def actionable_badge(self, row: EarlyFraudWarning) -> object:
        return columns.badge("actionable", tone="warning") if row.actionable else "closed"

    @display(description="Amount paid")
    def shown_amount(self, row: EarlyFraudWarning) -> str:
        return columns.money(row.payment.amount_received, row.payment.currency)

    @display(description="Payment")
    def payment_link(self, row: EarlyFraudWarning) -> object:
        return columns.link(row.payment, row.payment_id)

    @display(description="Customer")
    def customer_link(self, row: EarlyFraudWarning) -> object:
        return columns.link(row.payment.customer)
