"""Addresses below ``/api/v1``."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from entitlements.consumption.api import ConsumptionViewSet
from entitlements.credits.api.credit_grants import CreditGrantsViewSet
from entitlements.credits.api.credits import CreditsViewSet
from entitlements.decisions.api.check import CheckViewSet
from entitlements.decisions.api.entitlements import EntitlementsViewSet
from entitlements.features.api import FeaturesViewSet
from entitlements.free_tier.api import FreeTierViewSet
from entitlements.permissions.api import PermissionMapViewSet
from entitlements.snapshots.api.snapshot import SnapshotViewSet

CREDIT_GRANT_ID = r"cgr_[0-9a-z]{26}"

router = SimpleRouter(trailing_slash=False)
router.register("features", FeaturesViewSet, basename="feature")

urlpatterns = [
    path(
        "free-tier",
        FreeTierViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="free-tier",
    ),
    path(
        "projects/<str:project_id>/permission-map",
        PermissionMapViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="permission-map",
    ),
    *(
        path(
            f"entitlements/{verb}",
            ConsumptionViewSet.as_view({"post": verb}),
            name=f"entitlements-{verb}",
        )
        for verb in ("consume", "reserve", "commit", "release")
    ),
    path("entitlements", EntitlementsViewSet.as_view({"get": "retrieve"}), name="entitlements"),
    path(
        "entitlements/check",
        CheckViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="entitlements-check",
    ),
    path(
        "entitlements/<str:user_id>/snapshot",
        SnapshotViewSet.as_view({"get": "retrieve"}),
        name="entitlements-snapshot",
    ),
    path(
        "credits/<str:user_id>",
        CreditsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="credits",
    ),
    path(
        "credits/<str:user_id>/entries",
        CreditsViewSet.as_view({"get": "list"}),
        name="credits-entries",
    ),
    path(
        "credits/<str:user_id>/spend",
        CreditsViewSet.as_view({"post": "spend"}),
        name="credits-spend",
    ),
    path(
        "credits/<str:user_id>/grants",
        CreditGrantsViewSet.as_view({"get": "list"}),
        name="credits-grants",
    ),
    path(
        "credits/<str:user_id>/grant",
        CreditGrantsViewSet.as_view({"post": "grant"}),
        name="credits-grant",
    ),
    re_path(
        rf"^credits/(?P<user_id>[^/]+)/grants/(?P<grant>{CREDIT_GRANT_ID})/revoke\Z",
        CreditGrantsViewSet.as_view({"post": "revoke"}),
        name="credits-revoke",
    ),
    path("", include(router.urls)),
]
