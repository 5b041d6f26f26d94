"""``/disputes``: payments that buyers contest at their bank. Send the evidence at Stripe."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, id_pattern
from billing.payments.selectors import disputes as stored
from billing.representation.payments import DisputeBody
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class DisputeFilterSerializer(StrictSerializer):
    payment = IdField(prefix="pay", required=False)
    user_id = UserIdField(required=False)
    status = serializers.CharField(
        max_length=32, required=False, help_text="Stripe's dispute status, such as needs_response."
    )


class DisputesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.PAYMENTS_READ,
        "retrieve": KeyScope.PAYMENTS_READ,
    }
    query = {"list": DisputeFilterSerializer}
    lookup_value_regex = id_pattern("dsp")

    @extend_schema(summary="List disputes", responses=serializer_of(DisputeBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.dispute(row) for row in page or ()])

    @extend_schema(summary="Show a dispute", responses=serializer_of(DisputeBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        row = stored.get(project=self.calling_project, dispute_id=pk)
        return Response(representation.dispute(row))
