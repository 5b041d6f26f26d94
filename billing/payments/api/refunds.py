"""``/refunds``: list, show and cancel refunds. ``POST /payments/{id}/refunds`` creates them."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, StripeMetadataField, id_pattern
from billing.checkout.orders import MAX_LINES, MAX_QUANTITY
from billing.outbound import api as outbound_api
from billing.payments import refunds
from billing.payments.selectors import refunds as stored
from billing.representation.payments import RefundBody
from common.api.bodies import serializer_of
from common.api.serializers import (
    FlagField,
    ListField,
    StrictSerializer,
    UserIdField,
    WholeNumberField,
)
from common.money import MAX_AMOUNT
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

REASONS = ["duplicate", "fraudulent", "requested_by_customer"]
STATUSES = ["pending", "requires_action", "succeeded", "failed", "canceled"]


class NewRefundLineSerializer(StrictSerializer):
    """A line to refund: ``quantity`` units, ``amount`` minor units, or all that is left of it."""

    line = IdField(prefix="chkl", help_text="Id of a line of the payment's checkout: chkl_…")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)
    amount = WholeNumberField(
        min_value=1, max_value=MAX_AMOUNT, required=False, help_text="Minor units."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "quantity" in attrs and "amount" in attrs:
            raise serializers.ValidationError({"amount": ["Send either quantity or amount."]})
        return attrs


class NewRefundSerializer(StrictSerializer):
    amount = WholeNumberField(
        min_value=1,
        max_value=MAX_AMOUNT,
        required=False,
        help_text="Minor units of the payment's currency. Left out: the sum of the lines, or, "
        "without lines, all that is left.",
    )
    lines = ListField(
        child=NewRefundLineSerializer(),
        required=False,
        allow_empty=False,
        max_length=MAX_LINES,
        help_text="Lines of the purchase. A line that is refunded in full loses its access.",
    )
    reason = serializers.ChoiceField(choices=REASONS, required=False)
    metadata = StripeMetadataField(default=dict)
    credited_too = FlagField(
        default=False,
        help_text="True: also refund money that a plan change has already credited to the "
        "customer's balance.",
    )


class RefundFilterSerializer(StrictSerializer):
    payment = IdField(prefix="pay", required=False)
    user_id = UserIdField(required=False)
    status = serializers.ChoiceField(choices=STATUSES, required=False)


class RefundsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.PAYMENTS_READ,
        "retrieve": KeyScope.PAYMENTS_READ,
        "cancel": KeyScope.PAYMENTS_WRITE,
    }
    query = {"list": RefundFilterSerializer}
    lookup_value_regex = id_pattern("ref")

    @extend_schema(summary="List refunds", responses=serializer_of(RefundBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.refund(row) for row in page or ()])

    @extend_schema(summary="Show a refund", responses=serializer_of(RefundBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        row = stored.get(project=self.calling_project, refund_id=pk)
        return Response(representation.refund(row))

    @extend_schema(
        summary="Cancel a refund", request=None, responses={200: serializer_of(RefundBody)}
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancels a refund with the status `pending` or `requires_action`, such as one that waits
        for the customer's bank details. 409 `refund-not-cancelable` for any other status.
        """
        row = refunds.cancel(
            refund=stored.get(project=self.calling_project, refund_id=pk),
            request=outbound_api.request_name(request, "refund.cancel", pk),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.refund(row))
