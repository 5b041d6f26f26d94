"""Addresses below ``/api/v1``."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from usage.api.meters import MetersViewSet
from usage.api.usage import UsageViewSet

router = SimpleRouter(trailing_slash=False)
router.register("meters", MetersViewSet, basename="meter")

urlpatterns = [
    path("usage", UsageViewSet.as_view({"post": "create"}), name="usage"),
    path("", include(router.urls)),
]
