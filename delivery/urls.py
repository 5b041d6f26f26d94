"""Addresses below ``/api/v1``."""

from django.urls import path

from delivery.feed.api import EventsViewSet

urlpatterns = [
    path("events", EventsViewSet.as_view({"get": "read"})),
    path("events/<str:event_id>", EventsViewSet.as_view({"get": "retrieve"})),
]
