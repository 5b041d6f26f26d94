"""``/webhook-endpoints``: where a project receives its events."""

from typing import Annotated, Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import FlagField, ListField, StrictSerializer, WholeNumberField
from delivery.models import EventOrder, WebhookEndpoint
from delivery.models.webhook_endpoint import SCHEMA_VERSIONS
from delivery.webhooks import endpoints, manual, own_headers, secrets
from delivery.webhooks.endpoints import MAX_RATE, EndpointRequest
from delivery.webhooks.representation import (
    WebhookDeliveryBody,
    WebhookEndpointBody,
    webhook_delivery,
    webhook_endpoint,
)
from delivery.webhooks.selectors import endpoints as stored
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MAX_TYPES = 100
MAX_VALUE = 2000
URL_HELP = "An https address on the public internet, port 443 or 8443."
TYPES_HELP = "Names from docs/events.md, or `payment.*` for all of a noun. Empty: all types."
HEADERS_HELP = "Headers of your own, such as a token of your gateway. Values are not shown again."


class HeadersField(serializers.DictField):
    """Header names and values."""

    child = serializers.CharField(max_length=MAX_VALUE, allow_blank=True, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if isinstance(data, dict) and len(data) > own_headers.MAX_HEADERS:
            raise serializers.ValidationError(f"At most {own_headers.MAX_HEADERS} headers.")
        headers: dict[str, str] = super().to_internal_value(data)
        return headers


class WebhookEndpointSerializer(StrictSerializer):
    url = serializers.CharField(max_length=2000, help_text=URL_HELP)
    description = serializers.CharField(max_length=500, allow_blank=True, required=False)
    event_types = ListField(
        child=serializers.CharField(max_length=64),
        max_length=MAX_TYPES,
        required=False,
        help_text=TYPES_HELP,
    )
    schema_version = WholeNumberField(
        min_value=SCHEMA_VERSIONS[0],
        max_value=SCHEMA_VERSIONS[-1],
        required=False,
        help_text="Version of the events' shapes. If absent: the newest, which the endpoint keeps "
        "when there is a newer one.",
    )
    headers = HeadersField(required=False, help_text=HEADERS_HELP)
    ordering = serializers.ChoiceField(
        choices=EventOrder.choices,
        required=False,
        help_text="`none`: events may overtake each other. `customer`: the next event of a "
        "customer waits until the one before has arrived or has failed for good.",
    )
    rate = WholeNumberField(
        min_value=1, max_value=MAX_RATE, required=False, help_text="Most deliveries in a second."
    )


class WebhookEndpointChangesSerializer(WebhookEndpointSerializer):
    url = serializers.CharField(max_length=2000, required=False, help_text=URL_HELP)
    enabled = FlagField(
        required=False,
        help_text="An endpoint that is enabled again gets all that happened meanwhile.",
    )
    skip_missed = FlagField(
        required=False, help_text="Leave out everything that is not delivered yet."
    )


class WebhookSecretRotationSerializer(StrictSerializer):
    overlap_hours = WholeNumberField(
        min_value=0,
        max_value=secrets.MAX_OVERLAP_HOURS,
        required=False,
        help_text="Hours for which the old secret signs too. If absent: 24.",
    )


class NewWebhookEndpointBody(WebhookEndpointBody):
    """A new endpoint with its signing secret."""

    secret: Annotated[str, "`whsec_…`, shown only in this response: store it now."]


class WebhookEndpointsViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.WEBHOOKS_READ,
        "create": KeyScope.WEBHOOKS_WRITE,
        "retrieve": KeyScope.WEBHOOKS_READ,
        "partial_update": KeyScope.WEBHOOKS_WRITE,
        "destroy": KeyScope.WEBHOOKS_WRITE,
        "rotate_secret": KeyScope.WEBHOOKS_WRITE,
        "test": KeyScope.WEBHOOKS_WRITE,
    }

    @extend_schema(
        operation_id="webhook_endpoints_list",
        summary="List webhook endpoints",
        responses=serializer_of(WebhookEndpointBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        at = timezone.now()
        page = self.paginate_queryset(stored.of(self.calling_project))
        return self.get_paginated_response([webhook_endpoint(row, at=at) for row in page or []])

    @extend_schema(
        operation_id="webhook_endpoints_create",
        summary="Add a webhook endpoint",
        request=WebhookEndpointSerializer,
        responses={201: serializer_of(NewWebhookEndpointBody)},
    )
    def create(self, request: Request) -> Response:
        """Everything that happens from now on is sent to it, signed as Standard Webhooks. The
        secret is in this answer and nowhere else."""
        at = timezone.now()
        row, secret = endpoints.create(
            project=self.calling_project,
            request=EndpointRequest(**self.parse_body(WebhookEndpointSerializer)),
            actor=self.actor,
            at=at,
        )
        body: NewWebhookEndpointBody = {**webhook_endpoint(row, at=at), "secret": secret}
        return Response(body, status=201)

    @extend_schema(
        operation_id="webhook_endpoints_retrieve",
        summary="Show a webhook endpoint",
        responses=serializer_of(WebhookEndpointBody),
    )
    def retrieve(self, request: Request, endpoint: str) -> Response:
        return Response(webhook_endpoint(self.endpoint(endpoint), at=timezone.now()))

    @extend_schema(
        operation_id="webhook_endpoints_update",
        summary="Change, enable or disable a webhook endpoint",
        request=WebhookEndpointChangesSerializer,
        responses=serializer_of(WebhookEndpointBody),
    )
    def partial_update(self, request: Request, endpoint: str) -> Response:
        """Each field that you send replaces the stored value; what is sent next has the new
        settings. Deliveries that wait go to a new URL."""
        at = timezone.now()
        row = endpoints.change(
            endpoint=self.endpoint(endpoint),
            changes=self.parse_body(WebhookEndpointChangesSerializer),
            actor=self.actor,
            at=at,
        )
        return Response(webhook_endpoint(row, at=at))

    @extend_schema(
        operation_id="webhook_endpoints_delete",
        summary="Delete a webhook endpoint",
        request=None,
        responses={204: None},
    )
    def destroy(self, request: Request, endpoint: str) -> Response:
        """Nothing more is sent to it. Deliveries that wait are canceled."""
        endpoints.delete(endpoint=self.endpoint(endpoint), actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(
        operation_id="webhook_endpoints_rotate_secret",
        summary="Replace the signing secret",
        request=WebhookSecretRotationSerializer,
        responses={201: serializer_of(NewWebhookEndpointBody)},
    )
    def rotate_secret(self, request: Request, endpoint: str) -> Response:
        """A new secret. Deliveries are signed with both for another `overlap_hours`, so that you
        can replace it everywhere."""
        at = timezone.now()
        hours = self.parse_body(WebhookSecretRotationSerializer).get("overlap_hours")
        row = self.endpoint(endpoint)
        secret = endpoints.rotate_secret(
            endpoint=row,
            overlap_hours=secrets.OVERLAP_HOURS if hours is None else hours,
            actor=self.actor,
            at=at,
        )
        body: NewWebhookEndpointBody = {**webhook_endpoint(row, at=at), "secret": secret}
        return Response(body, status=201)

    @extend_schema(
        operation_id="webhook_endpoints_test",
        summary="Send a test event",
        request=None,
        responses={201: serializer_of(WebhookDeliveryBody)},
    )
    def test(self, request: Request, endpoint: str) -> Response:
        """Sends a `webhook_endpoint.tested` event to this endpoint once, also if it is disabled.
        Read the delivery to see what came back."""
        delivery = manual.send_test(
            endpoint=self.endpoint(endpoint), actor=self.actor, at=timezone.now()
        )
        return Response(webhook_delivery(delivery), status=201)

    def endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        return stored.get(project=self.calling_project, endpoint_id=endpoint_id)
