"""Addresses below ``/api/v1``."""

from django.urls import path

from delivery.feed.api import EventsViewSet

urlpatterns = [
    path("events", EventsViewSet.as_view({"get": "read"})),
    path("events/<str:event>", EventsViewSet.as_view({"get": "retrieve"})),
]
