from django.contrib import admin

from billing.accounts.admin import endpoints
from billing.models import StripeEndpoint
from common.admin import columns
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup


@admin.register(StripeEndpoint)
class StripeEndpointAdmin(ReadOnlyAdmin):
    """Webhook endpoints. Signing secrets are added on the account's page."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 2, "Endpoints", icon="webhook")
    search_fields = ["id__exact", "account__id__exact", "account__name__icontains"]
    list_select_related = ["account__project"]
    list_display = ["id", "account_link", "state_badge", "live_secrets", "created_at"]
    fields = [
        "id",
        "account",
        "address",
        "live_secrets",
        "state_badge",
        "created_at",
        "disabled_at",
    ]

    @display(description="Account", ordering="account__name")
    def account_link(self, row: StripeEndpoint) -> object:
        return columns.link(row.account)

    @display(description="Address for Stripe")
    def address(self, row: StripeEndpoint) -> object:
        return columns.code(endpoints.address(row))

    @display(description="Live secrets")
    def live_secrets(self, row: StripeEndpoint) -> str:
        return endpoints.secrets(row)

    @display(description="State")
    def state_badge(self, row: StripeEndpoint) -> object:
        return columns.badge("disabled" if row.disabled_at else "active")
