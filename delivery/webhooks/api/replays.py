"""``/webhook-endpoints/{endpoint}/replays`` and ``…/checks``: send again, and check."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer, WholeNumberField
from common.errors import NotFound
from delivery.models import WebhookReplay
from delivery.webhooks import checks, manual
from delivery.webhooks.representation import (
    WebhookCheckBody,
    WebhookReplayBody,
    webhook_check,
    webhook_replay,
)
from delivery.webhooks.selectors import checks as stored_checks
from delivery.webhooks.selectors import endpoints
from delivery.webhooks.selectors import replays as stored
from events.log import selectors as event_log
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MAX_POSITION = 2**63 - 1


class ReplaySerializer(StrictSerializer):
    after = WholeNumberField(
        min_value=0,
        max_value=MAX_POSITION,
        required=False,
        help_text="Send the events behind this position: the last that you have.",
    )
    since = serializers.DateTimeField(
        required=False, help_text="In place of `after`: the events recorded from this time on."
    )
    until = WholeNumberField(
        min_value=1,
        max_value=MAX_POSITION,
        required=False,
        help_text="The last position. If absent: everything that was sent so far.",
    )
    before = serializers.DateTimeField(
        required=False, help_text="In place of `until`: the events recorded before this time."
    )
    failed_only = FlagField(
        required=False, help_text="Only events whose deliveries have failed for good."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("after" in attrs) == ("since" in attrs):
            raise serializers.ValidationError({"after": ["Send either `after` or `since`."]})
        if "until" in attrs and "before" in attrs:
            raise serializers.ValidationError({"until": ["Send either `until` or `before`."]})
        if "since" in attrs and "before" in attrs and attrs["since"] >= attrs["before"]:
            raise serializers.ValidationError({"before": ["Send a time that is after `since`."]})
        return attrs


class WebhookReplaysViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.WEBHOOKS_READ,
        "create": KeyScope.WEBHOOKS_WRITE,
        "retrieve": KeyScope.WEBHOOKS_READ,
        "cancel": KeyScope.WEBHOOKS_WRITE,
    }

    @extend_schema(
        operation_id="webhook_replays_list",
        summary="List replays",
        responses=serializer_of(WebhookReplayBody)(many=True),
    )
    def list(self, request: Request, endpoint: str) -> Response:
        row = endpoints.get(project=self.calling_project, endpoint_id=endpoint)
        page = self.paginate_queryset(stored.of(project=self.calling_project, endpoint_id=row.pk))
        return self.get_paginated_response([webhook_replay(each) for each in page or []])

    @extend_schema(
        operation_id="webhook_replays_create",
        summary="Send events again",
        request=ReplaySerializer,
        responses={201: serializer_of(WebhookReplayBody)},
    )
    def create(self, request: Request, endpoint: str) -> Response:
        """Sends a range of events again, in order, beside what happens now, at half the rate.
        `after` alone means everything since. Events keep their ids."""
        values = self.parse_body(ReplaySerializer)
        row = manual.replay(
            endpoint=endpoints.get(project=self.calling_project, endpoint_id=endpoint),
            after=self._position(values, "after", "since") or 0,
            until=self._position(values, "until", "before"),
            failed_only=values.get("failed_only", False),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(webhook_replay(row), status=201)

    @extend_schema(
        operation_id="webhook_replays_retrieve",
        summary="Show a replay",
        responses=serializer_of(WebhookReplayBody),
    )
    def retrieve(self, request: Request, endpoint: str, replay: str) -> Response:
        return Response(webhook_replay(self.replay(endpoint, replay)))

    @extend_schema(
        operation_id="webhook_replays_cancel",
        summary="Cancel a replay",
        request=None,
        responses=serializer_of(WebhookReplayBody),
    )
    def cancel(self, request: Request, endpoint: str, replay: str) -> Response:
        """What was not sent yet is canceled. A replay that has ended stays as it is."""
        row = manual.cancel_replay(
            replay=self.replay(endpoint, replay), actor=self.actor, at=timezone.now()
        )
        return Response(webhook_replay(row))

    def replay(self, endpoint_id: str, replay_id: str) -> WebhookReplay:
        row = stored.get(project=self.calling_project, replay_id=replay_id)
        if row.endpoint_id != endpoint_id or row.endpoint.deleted_at is not None:
            raise NotFound
        return row

    def _position(self, values: Mapping[str, Any], name: str, name_of_time: str) -> int | None:
        """The position that the request names, or the last one before the time that it names."""
        moment: datetime | None = values.get(name_of_time)
        if moment is None:
            return values.get(name)
        return event_log.position_before(project_id=self.calling_project.pk, moment=moment)


class WebhookChecksViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.WEBHOOKS_READ,
        "create": KeyScope.WEBHOOKS_WRITE,
        "retrieve": KeyScope.WEBHOOKS_READ,
    }

    @extend_schema(
        operation_id="webhook_checks_list",
        summary="List conformance checks",
        responses=serializer_of(WebhookCheckBody)(many=True),
    )
    def list(self, request: Request, endpoint: str) -> Response:
        row = endpoints.get(project=self.calling_project, endpoint_id=endpoint)
        rows = stored_checks.of(project=self.calling_project, endpoint_id=row.pk)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([webhook_check(each) for each in page or []])

    @extend_schema(
        operation_id="webhook_checks_create",
        summary="Check an endpoint",
        request=None,
        responses={201: serializer_of(WebhookCheckBody)},
    )
    def create(self, request: Request, endpoint: str) -> Response:
        """Sends eight requests: signed, repeated, of an unknown type, forged in four ways, and
        old. A receiver has to accept the first three and to refuse the others with 4xx. Read the
        check for the grade."""
        row = endpoints.get(project=self.calling_project, endpoint_id=endpoint)
        check = checks.plan(endpoint=row, actor=self.actor, at=timezone.now())
        return Response(webhook_check(check), status=201)

    @extend_schema(
        operation_id="webhook_checks_retrieve",
        summary="Show a conformance check",
        responses=serializer_of(WebhookCheckBody),
    )
    def retrieve(self, request: Request, endpoint: str, check: str) -> Response:
        row = stored_checks.get(project=self.calling_project, endpoint_id=endpoint, check_id=check)
        return Response(webhook_check(row))
