"""``/messages``: what was written to a project's customers and to its own people."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from delivery.mail import selectors
from delivery.mail.kinds import NAMES
from delivery.mail.representation import MessageBody
from delivery.mail.representation import message as body_of
from delivery.models import NotificationState
from projects.customers import selectors as customers
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class MessageQuerySerializer(StrictSerializer):
    customer = UserIdField(
        required=False, help_text="Messages to this user: your id, or our id of the customer."
    )
    kind = serializers.ChoiceField(choices=NAMES, required=False)
    state = serializers.ChoiceField(choices=NotificationState.choices, required=False)


class MessagesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CUSTOMERS_READ,
        "retrieve": KeyScope.CUSTOMERS_READ,
    }
    query = {"list": MessageQuerySerializer}

    @extend_schema(
        operation_id="messages_list",
        summary="List messages to people",
        parameters=[MessageQuerySerializer],
        responses=serializer_of(MessageBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Mails and Hermes messages to your customers and to your own people, newest first, for
        180 days: which were sent, and why others were not."""
        rows = selectors.messages_of(self.calling_project.pk).filter(**self._conditions())
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([body_of(row) for row in page or []])

    @extend_schema(
        operation_id="messages_retrieve",
        summary="Show a message",
        responses=serializer_of(MessageBody),
    )
    def retrieve(self, request: Request, message: str) -> Response:
        """One message. Its text is not kept."""
        row = selectors.message(project_id=self.calling_project.pk, message_id=message)
        return Response(body_of(row))

    def _conditions(self) -> dict[str, Any]:
        conditions = {**self.query_values}
        if user_id := conditions.pop("customer", ""):
            customer = customers.find(project=self.calling_project, user_id=user_id)
            conditions["recipient"] = customer.pk if customer else ""
        return conditions
