"""``/payments``: what was paid, and money given back."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api.fields import IdField, StripeMetadataField, id_pattern
from billing.models import Payment
from billing.models.payment import PaymentStatus
from billing.selectors import payments as stored
from billing.services import refunds
from common.api.serializers import MoneySerializer, StrictSerializer, UserIdField, WholeNumberField
from common.api.views import ProjectViewSet
from common.money import MAX_AMOUNT
from projects.scopes import Scope

REASONS = ["duplicate", "fraudulent", "requested_by_customer"]


class RefundSerializer(serializers.Serializer[Any]):
    """Money that goes back, part of a payment."""

    id = serializers.CharField()
    payment = serializers.CharField()
    status = serializers.CharField(
        help_text="Stripe's: pending, requires_action, succeeded, failed or canceled."
    )
    amount = MoneySerializer()
    reason = serializers.CharField(allow_null=True)
    stripe_id = serializers.CharField()
    refunded_at = serializers.DateTimeField()


class FailureSerializer(serializers.Serializer[Any]):
    """Why the last attempt failed, in Stripe's words."""

    code = serializers.CharField()
    message = serializers.CharField()


class PaymentSerializer(serializers.Serializer[Any]):
    """Money taken, or to be taken."""

    id = serializers.CharField()
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    customer = serializers.CharField()
    user_id = serializers.CharField()
    checkout = serializers.CharField(allow_null=True)
    amount = MoneySerializer()
    amount_received = MoneySerializer()
    amount_refunded = MoneySerializer()
    failure = FailureSerializer(allow_null=True)
    refunds = RefundSerializer(many=True)
    metadata = serializers.DictField(child=serializers.CharField())
    stripe_id = serializers.CharField()
    paid_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class PaymentFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    checkout = IdField(prefix="chk", required=False)
    status = serializers.ChoiceField(choices=PaymentStatus.choices, required=False)


class NewRefundSerializer(StrictSerializer):
    amount = WholeNumberField(
        min_value=1,
        max_value=MAX_AMOUNT,
        required=False,
        help_text="Minor units of the payment's currency; left out, all that is left.",
    )
    reason = serializers.ChoiceField(choices=REASONS, required=False)
    metadata = StripeMetadataField(default=dict)


class PaymentsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.PAYMENTS_READ,
        "retrieve": Scope.PAYMENTS_READ,
        "refunds": Scope.PAYMENTS_WRITE,
    }
    query = {"list": PaymentFilterSerializer}
    lookup_value_regex = id_pattern("pay")

    @extend_schema(summary="List payments", responses=PaymentSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.payment(row) for row in page or ()])

    @extend_schema(summary="Show a payment", responses=PaymentSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(representation.payment(self._payment(pk)))

    @extend_schema(
        summary="Refund a payment",
        request=NewRefundSerializer,
        responses={201: RefundSerializer},
    )
    @action(detail=True, methods=["post"])
    def refunds(self, request: Request, pk: str) -> Response:
        """In whole or in part. A full refund takes away what the payment bought.

        409 ``nothing-to-refund`` for more than is left.
        """
        body = self.parse_body(NewRefundSerializer)
        row = refunds.refund(
            payment=self._payment(pk),
            amount=body.get("amount"),
            reason=body.get("reason", ""),
            metadata=body["metadata"],
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.refund(row), status=201)

    def _payment(self, pk: str) -> Payment:
        return stored.get(project=self.calling_project, payment_id=pk)
