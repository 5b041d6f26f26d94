"""Addresses below ``/api/v1``."""

from django.urls import path

from delivery.feed.api import EventsViewSet
from delivery.inbound.api import intake
from delivery.inbound.api.settings import InboundSettingsViewSet
from delivery.mail.api.mail_settings import MailSettingsViewSet
from delivery.mail.api.messages import MessagesViewSet
from delivery.webhooks.api.deliveries import WebhookDeliveriesViewSet
from delivery.webhooks.api.endpoints import WebhookEndpointsViewSet
from delivery.webhooks.api.replays import WebhookChecksViewSet, WebhookReplaysViewSet
from delivery.webhooks.portal.api import WebhookPortalViewSet

ENDPOINT = "webhook-endpoints/<str:endpoint>"

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
    path("events/<str:event>/deliveries", WebhookDeliveriesViewSet.as_view({"get": "of_event"})),
    path("webhook-endpoints", WebhookEndpointsViewSet.as_view({"get": "list", "post": "create"})),
    path(
        ENDPOINT,
        WebhookEndpointsViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
    ),
    path(f"{ENDPOINT}/rotate-secret", WebhookEndpointsViewSet.as_view({"post": "rotate_secret"})),
    path(f"{ENDPOINT}/test", WebhookEndpointsViewSet.as_view({"post": "test"})),
    path(f"{ENDPOINT}/deliveries", WebhookDeliveriesViewSet.as_view({"get": "list"})),
    path(
        f"{ENDPOINT}/deliveries/<str:delivery>",
        WebhookDeliveriesViewSet.as_view({"get": "retrieve"}),
    ),
    path(
        f"{ENDPOINT}/deliveries/<str:delivery>/send-again",
        WebhookDeliveriesViewSet.as_view({"post": "send_again"}),
    ),
    path(f"{ENDPOINT}/replays", WebhookReplaysViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{ENDPOINT}/replays/<str:replay>", WebhookReplaysViewSet.as_view({"get": "retrieve"})),
    path(
        f"{ENDPOINT}/replays/<str:replay>/cancel",
        WebhookReplaysViewSet.as_view({"post": "cancel"}),
    ),
    path(f"{ENDPOINT}/checks", WebhookChecksViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{ENDPOINT}/checks/<str:check>", WebhookChecksViewSet.as_view({"get": "retrieve"})),
    path("messages", MessagesViewSet.as_view({"get": "list"})),
    path("messages/<str:message>", MessagesViewSet.as_view({"get": "retrieve"})),
    path("webhook-portal", WebhookPortalViewSet.as_view({"post": "create"})),
    path("webhook-portal/revoke", WebhookPortalViewSet.as_view({"post": "revoke"})),
    path(
        "projects/<str:project_id>/mail",
        MailSettingsViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
]
