"""Addresses below ``/api/v1/billing``."""

from django.urls import path

from billing.signed_in.api.invoices import UserInvoicesViewSet
from billing.signed_in.api.plans import UserPlansViewSet
from billing.signed_in.api.portal import UserPortalViewSet
from billing.signed_in.api.subscription import UserSubscriptionViewSet
from billing.signed_in.api.usage import UserUsageViewSet

urlpatterns = [
    path("plans", UserPlansViewSet.as_view({"get": "list"}), name="billing-plans"),
    path(
        "subscription",
        UserSubscriptionViewSet.as_view(
            {
                "get": "retrieve",
                "post": "create",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
        name="billing-subscription",
    ),
    path("invoices", UserInvoicesViewSet.as_view({"get": "list"}), name="billing-invoices"),
    path("usage", UserUsageViewSet.as_view({"get": "retrieve"}), name="billing-usage"),
    path("portal", UserPortalViewSet.as_view({"post": "create"}), name="billing-portal"),
]
