"""Addresses below ``/api/v1``."""

from django.urls import path

from delivery.feed.api import EventsViewSet
from delivery.mail.api.mail_settings import MailSettingsViewSet

urlpatterns = [
    path("events", EventsViewSet.as_view({"get": "read"})),
    path("events/<str:event>", EventsViewSet.as_view({"get": "retrieve"})),
    path(
        "projects/<str:project_id>/mail",
        MailSettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
]
