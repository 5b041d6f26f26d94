from django.contrib import admin

from billing.models import StripeCustomer
from billing.models.sync_object import ObjectKind
from billing.sync.admin.mirrors import STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import display


@admin.register(StripeCustomer)
class StripeCustomerAdmin(MirrorAdmin):
    """Customers at Stripe, one row per customer and Stripe account."""

    kind = ObjectKind.CUSTOMER
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "stripe_code",
        "account",
        "shown_balance",
        "delinquent",
        "created_at",
    ]
    list_filter = [filters.PROJECT, filters.dates("created_at")]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "name",
                    "email",
                    "shown_balance",
                    "delinquent",
                    "created_at",
                    "deleted_at",
                )
            },
        ),
        STRIPE,
    ]

    @display(description="Balance")
    def shown_balance(self, row: StripeCustomer) -> str:
        return columns.money(row.balance, row.currency) if row.currency else columns.EMPTY
