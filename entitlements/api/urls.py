"""Addresses below ``/api/v1``."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from entitlements.api.check import CheckViewSet
from entitlements.api.entitlements import EntitlementsViewSet
from entitlements.api.features import FeaturesViewSet
from entitlements.api.snapshot import SnapshotViewSet

router = SimpleRouter(trailing_slash=False)
router.register("features", FeaturesViewSet, basename="feature")

urlpatterns = [
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
    path("", include(router.urls)),
]
