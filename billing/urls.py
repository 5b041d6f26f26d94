"""URL paths of billing below ``/api/v1``."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from billing.accounts.api import StripeAccountViewSet
from billing.analytics.api import (
    PlatformMetricsViewSet,
    ProjectMetricsViewSet,
    ProjectTotalsViewSet,
)
from billing.api_fields import id_pattern
from billing.catalog.api.coupons import CouponsViewSet
from billing.catalog.api.grants import GrantsViewSet
from billing.catalog.api.plans import PlansViewSet
from billing.catalog.api.prices import PricesViewSet
from billing.catalog.api.products import ProductsViewSet
from billing.catalog.api.promotion_codes import PromotionCodesViewSet
from billing.checkout.api.carts import CartItemsViewSet, CartsViewSet
from billing.checkout.api.checkouts import CheckoutsViewSet
from billing.customers.api import CustomerViewSet
from billing.invoices.api import InvoicesViewSet
from billing.operations.api.drift import DriftViewSet
from billing.operations.api.reconciliations import ReconciliationsViewSet
from billing.payments.api.disputes import DisputesViewSet
from billing.payments.api.payment_methods import METHOD_ID, PaymentMethodsViewSet
from billing.payments.api.payments import PaymentsViewSet
from billing.payments.api.refunds import RefundsViewSet
from billing.portal.api import PortalConfigurationViewSet, PortalViewSet
from billing.rollouts.api.previews import ProductPreviewsViewSet
from billing.rollouts.api.rollouts import RolloutsViewSet
from billing.subscriptions.api.addons import AddonsViewSet
from billing.subscriptions.api.subscriptions import SubscriptionsViewSet, UserSubscriptionsViewSet

BOUGHT = rf"{id_pattern('prod')}|{id_pattern('sub')}"
"""Pattern that identifies a user's subscription: the id of a product, or of the subscription."""

router = SimpleRouter(trailing_slash=False)
router.register("carts", CartsViewSet, basename="cart")
router.register("checkout", CheckoutsViewSet, basename="checkout")
router.register("disputes", DisputesViewSet, basename="dispute")
router.register("coupons", CouponsViewSet, basename="coupon")
router.register("invoices", InvoicesViewSet, basename="invoice")
router.register("payments", PaymentsViewSet, basename="payment")
router.register("plans", PlansViewSet, basename="plan")
router.register("prices", PricesViewSet, basename="price")
router.register("products", ProductsViewSet, basename="product")
router.register("promotion-codes", PromotionCodesViewSet, basename="promotion-code")
router.register("refunds", RefundsViewSet, basename="refund")
router.register("rollouts", RolloutsViewSet, basename="rollout")

urlpatterns = [
    path("", include(router.urls)),
    re_path(
        rf"^products/(?P<product>{id_pattern('prod')})/preview\Z",
        ProductPreviewsViewSet.as_view({"post": "create"}),
        name="product-preview",
    ),
    path("billing/", include("billing.signed_in.urls")),
    path(
        "customers/<str:user_id>",
        CustomerViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="customer",
    ),
    re_path(
        rf"^carts/(?P<cart_id>{id_pattern('cart')})/items\Z",
        CartItemsViewSet.as_view({"post": "create"}),
        name="cart-items",
    ),
    re_path(
        rf"^carts/(?P<cart_id>{id_pattern('cart')})/items/(?P<line_id>{id_pattern('crtl')})\Z",
        CartItemsViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="cart-item",
    ),
    path("admin/grants", GrantsViewSet.as_view({"get": "list"}), name="admin-grants"),
    path("admin/grant", GrantsViewSet.as_view({"post": "grant"}), name="admin-grant"),
    path("admin/revoke", GrantsViewSet.as_view({"post": "revoke"}), name="admin-revoke"),
    path(
        "admin/reconcile",
        ReconciliationsViewSet.as_view({"get": "list", "post": "create"}),
        name="admin-reconcile",
    ),
    re_path(
        rf"^admin/reconcile/(?P<reconciliation_id>{id_pattern('rec')})\Z",
        ReconciliationsViewSet.as_view({"get": "retrieve"}),
        name="admin-reconciliation",
    ),
    re_path(
        rf"^admin/reconcile/(?P<reconciliation_id>{id_pattern('rec')})/stop\Z",
        ReconciliationsViewSet.as_view({"post": "stop"}),
        name="admin-reconciliation-stop",
    ),
    path("admin/drift", DriftViewSet.as_view({"get": "list"}), name="admin-drift"),
    path(
        "customers/<str:user_id>/payment-methods",
        PaymentMethodsViewSet.as_view({"get": "saved"}),
        name="payment-methods",
    ),
    re_path(
        rf"^customers/(?P<user_id>[^/]+)/payment-methods/(?P<method>{METHOD_ID})\Z",
        PaymentMethodsViewSet.as_view({"delete": "destroy"}),
        name="payment-method",
    ),
    re_path(
        rf"^customers/(?P<user_id>[^/]+)/payment-methods/(?P<method>{METHOD_ID})/default\Z",
        PaymentMethodsViewSet.as_view({"post": "make_default"}),
        name="payment-method-default",
    ),
    path("portal", PortalViewSet.as_view({"post": "create"}), name="portal"),
    path("portal/session", PortalViewSet.as_view({"post": "session"}), name="portal-session"),
    path(
        "portal/eligibility",
        PortalViewSet.as_view({"get": "eligibility"}),
        name="portal-eligibility",
    ),
    path(
        "portal/configuration",
        PortalConfigurationViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="portal-configuration",
    ),
    path("subscriptions", SubscriptionsViewSet.as_view({"get": "list"}), name="subscriptions"),
    path(
        "subscriptions/<str:user_id>",
        UserSubscriptionsViewSet.as_view({"get": "list"}),
        name="user-subscriptions",
    ),
    re_path(
        rf"^subscriptions/(?P<user_id>[^/]+)/(?P<product>{BOUGHT})\Z",
        UserSubscriptionsViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
        name="user-subscription",
    ),
    *(
        re_path(
            rf"^subscriptions/(?P<user_id>[^/]+)/(?P<product>{BOUGHT})/{action}\Z",
            UserSubscriptionsViewSet.as_view({"post": action}),
            name=f"user-subscription-{action}",
        )
        for action in ("preview", "pause", "resume")
    ),
    re_path(
        rf"^subscriptions/(?P<user_id>[^/]+)/(?P<product>{BOUGHT})/addons\Z",
        AddonsViewSet.as_view({"post": "create"}),
        name="addons",
    ),
    re_path(
        rf"^subscriptions/(?P<user_id>[^/]+)/(?P<product>{BOUGHT})/addons"
        rf"/(?P<addon>{id_pattern('prod')})\Z",
        AddonsViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="addon",
    ),
    path(
        "metrics/projects", ProjectTotalsViewSet.as_view({"get": "list"}), name="metrics-projects"
    ),
    *(
        path(
            f"metrics/{action}",
            PlatformMetricsViewSet.as_view({"get": action}),
            name=f"metrics-{action}",
        )
        for action in ("subscriptions", "revenue")
    ),
    *(
        re_path(
            rf"^metrics/project/(?P<project_id>{id_pattern('prj')})/{action}\Z",
            ProjectMetricsViewSet.as_view({"get": action}),
            name=f"project-metrics-{action}",
        )
        for action in ("subscriptions", "revenue")
    ),
    re_path(
        rf"^projects/(?P<project_id>{id_pattern('prj')})/stripe-account\Z",
        StripeAccountViewSet.as_view(
            {"get": "retrieve", "post": "create", "patch": "partial_update"}
        ),
        name="stripe-account",
    ),
]
