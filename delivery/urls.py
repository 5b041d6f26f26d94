"""Addresses below ``/api/v1``."""

from django.urls import path

from delivery.feed.api import EventsViewSet
from delivery.inbound.api import intake
from delivery.inbound.api.settings import InboundSettingsViewSet
from delivery.mail.api.mail_settings import MailSettingsViewSet

urlpatterns = [
    path("events", EventsViewSet.as_view({"get": "read"})),
    path("events/inbound", intake.receive, name="inbound-events"),
    path("events/inbound/<str:project_id>", intake.receive, name="inbound-events-of-project"),
    path(
        "projects/<str:project_id>/inbound",
        InboundSettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path(
        "projects/<str:project_id>/inbound/rotate-secret",
        InboundSettingsViewSet.as_view({"post": "rotate_secret"}),
    ),
    path(
        "projects/<str:project_id>/inbound/secrets/<str:secret_id>/revoke",
        InboundSettingsViewSet.as_view({"post": "revoke_secret"}),
    ),
    path("events/<str:event>", EventsViewSet.as_view({"get": "retrieve"})),
    path(
        "projects/<str:project_id>/mail",
        MailSettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
]
