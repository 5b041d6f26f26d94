"""Addresses below ``/api/v1/billing``."""

from django.urls import path, re_path

from billing.api_fields import id_pattern
from billing.signed_in.api.invoices import UserInvoicesViewSet
from billing.signed_in.api.plans import BillingPlansViewSet, ProjectPlansViewSet
from billing.signed_in.api.portal import UserPortalViewSet
from billing.signed_in.api.subscription import UserSubscriptionViewSet
from billing.signed_in.api.usage import UserUsageViewSet

urlpatterns = [
    path("plans", BillingPlansViewSet.as_view({"get": "list"}), name="billing-plans"),
    re_path(
        rf"^projects/(?P<project_id>{id_pattern('prj')})/plans\Z",
        ProjectPlansViewSet.as_view({"get": "list"}),
        name="billing-project-plans",
    ),
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
