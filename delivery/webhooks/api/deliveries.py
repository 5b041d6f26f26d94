"""``/webhook-endpoints/{endpoint}/deliveries``: what was sent, and what came back."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer
from delivery.feed import service as feed
from delivery.models import DeliveryKind, DeliveryState
from delivery.webhooks import manual
from delivery.webhooks.representation import (
    WebhookAttemptBody,
    WebhookDeliveryBody,
    webhook_attempt,
    webhook_delivery,
)
from delivery.webhooks.selectors import deliveries as stored
from delivery.webhooks.selectors import endpoints
from events.catalog import EventType
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class DeliveryQuerySerializer(StrictSerializer):
    state = serializers.ChoiceField(choices=DeliveryState.choices, required=False)
    kind = serializers.ChoiceField(choices=DeliveryKind.choices, required=False)
    type = serializers.ChoiceField(choices=EventType.choices, required=False)
    event = serializers.CharField(max_length=64, required=False, help_text="The id of an event.")


class DeliveryWithAttemptsBody(WebhookDeliveryBody):
    """One event for one endpoint, with every attempt to deliver it."""

    tries: list[WebhookAttemptBody]


class WebhookDeliveriesViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.WEBHOOKS_READ,
        "retrieve": KeyScope.WEBHOOKS_READ,
        "send_again": KeyScope.WEBHOOKS_WRITE,
        "of_event": KeyScope.WEBHOOKS_READ,
    }
    query = {"list": DeliveryQuerySerializer}

    @extend_schema(
        operation_id="webhook_deliveries_list",
        summary="List deliveries to an endpoint",
        parameters=[DeliveryQuerySerializer],
        responses=serializer_of(WebhookDeliveryBody)(many=True),
    )
    def list(self, request: Request, endpoint: str) -> Response:
        """Newest first, for at least 30 days."""
        row = endpoints.get(project=self.calling_project, endpoint_id=endpoint)
        rows = stored.of(project=self.calling_project, endpoint_id=row.pk)
        rows = rows.filter(**self._conditions())
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([webhook_delivery(each) for each in page or []])

    @extend_schema(
        operation_id="webhook_deliveries_retrieve",
        summary="Show a delivery with its attempts",
        responses=serializer_of(DeliveryWithAttemptsBody),
    )
    def retrieve(self, request: Request, endpoint: str, delivery: str) -> Response:
        row = stored.get(project=self.calling_project, endpoint_id=endpoint, delivery_id=delivery)
        tries = [webhook_attempt(each) for each in stored.attempts_of(row)]
        body: DeliveryWithAttemptsBody = {**webhook_delivery(row), "tries": tries}
        return Response(body)

    @extend_schema(
        operation_id="webhook_deliveries_send_again",
        summary="Send an event again",
        request=None,
        responses={201: serializer_of(WebhookDeliveryBody)},
    )
    def send_again(self, request: Request, endpoint: str, delivery: str) -> Response:
        """A delivery that waits is tried at once; for one that has ended, a new one is made. The
        event has the same id, and the header `tollgate-replay` says that it was sent by hand."""
        row = stored.get(project=self.calling_project, endpoint_id=endpoint, delivery_id=delivery)
        again = manual.send_again(delivery=row, actor=self.actor, at=timezone.now())
        return Response(webhook_delivery(again), status=201)

    @extend_schema(
        operation_id="events_deliveries_list",
        summary="List deliveries of an event",
        responses=serializer_of(WebhookDeliveryBody)(many=True),
    )
    def of_event(self, request: Request, event: str) -> Response:
        """To every endpoint that it was sent to, newest first."""
        row = feed.find(project_id=self.calling_project.pk, event_id=event)
        rows = stored.of_event(project=self.calling_project, event_id=row.pk)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([webhook_delivery(each) for each in page or []])

    def _conditions(self) -> dict[str, Any]:
        columns = {"state": "state", "kind": "kind", "type": "event_type", "event": "event_id"}
        return {columns[name]: value for name, value in self.query_values.items()}
