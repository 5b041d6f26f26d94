"""Addresses below ``/api/v1``."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from usage.meters.api import MetersViewSet
from usage.records.api.records import RecordsViewSet
from usage.records.api.usage import UsageViewSet

router = SimpleRouter(trailing_slash=False)
router.register("meters", MetersViewSet, basename="meter")

urlpatterns = [
    path("usage", UsageViewSet.as_view({"get": "retrieve", "post": "create"}), name="usage"),
    path("usage/records", RecordsViewSet.as_view({"get": "list"}), name="usage-records"),
    path("usage/<str:record>/void", RecordsViewSet.as_view({"post": "void"}), name="usage-void"),
    path(
        "usage/<str:record>/correct",
        RecordsViewSet.as_view({"post": "correct"}),
        name="usage-correct",
    ),
    path("", include(router.urls)),
]
