from django.contrib import admin

from billing.models import EarlyFraudWarning
from billing.models.sync_object import ObjectKind
from billing.sync.admin.mirrors import STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sidebar import SidebarEntry, SidebarGroup


@admin.register(EarlyFraudWarning)
class EarlyFraudWarningAdmin(MirrorAdmin):
    """What card issuers call fraud. Whether the money goes back is for a person to decide."""

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
        "standing_badge",
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
                    "standing_badge",
                    "fraud_type",
                    "warned_at",
                )
            },
        ),
        STRIPE,
    ]

    @display(description="Standing", ordering="actionable")
    def standing_badge(self, row: EarlyFraudWarning) -> object:
        return columns.badge("actionable", tone="warning") if row.actionable else "over"

    @display(description="Payment of")
    def shown_amount(self, row: EarlyFraudWarning) -> str:
        return columns.money(row.payment.amount_received, row.payment.currency)

    @display(description="Payment")
    def payment_link(self, row: EarlyFraudWarning) -> object:
        return columns.link(row.payment, row.payment_id)

    @display(description="Customer")
    def customer_link(self, row: EarlyFraudWarning) -> object:
        return columns.link(row.payment.customer)
