"""``/payments``: take money, learn what became of it, give it back."""

from typing import Annotated, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, id_pattern
from billing.models import Payment
from billing.models.payment import PaymentStatus, PaymentType
from billing.payments import refunds
from billing.payments import service as payments
from billing.payments.api.payment_request import (
    AWAY,
    BY_YOURSELF,
    ON_A_PAGE,
    NewPaymentSerializer,
    payment_request,
)
from billing.payments.api.refunds import NewRefundSerializer
from billing.payments.refund_lines import LineRefundRequest
from billing.payments.refunds import RefundRequest
from billing.payments.selectors import payments as stored
from billing.representation.payments import PaymentBody, PaymentStatusBody, RefundBody
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class PayablePaymentBody(PaymentBody):
    """The payment, and how it is paid."""

    url: Annotated[str | None, "The hosted page, while it is open: send the buyer there."]
    client_secret: Annotated[
        str | None,
        "For Stripe.js in your own front end. Only for the type intent, and only for "
        "keys with payments:write.",
    ]


class PaymentFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    checkout = IdField(prefix="chk", required=False)
    status = serializers.ChoiceField(choices=PaymentStatus.choices, required=False)
    type = serializers.ChoiceField(
        choices=PaymentType.choices, required=False, source="payment_type"
    )
    reference = serializers.CharField(max_length=255, required=False)


class PaymentsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.PAYMENTS_READ,
        "create": KeyScope.PAYMENTS_WRITE,
        "retrieve": KeyScope.PAYMENTS_READ,
        "status": KeyScope.PAYMENTS_READ,
        "sync": KeyScope.PAYMENTS_WRITE,
        "cancel": KeyScope.PAYMENTS_WRITE,
        "refunds": KeyScope.PAYMENTS_WRITE,
    }
    query = {"list": PaymentFilterSerializer}
    lookup_value_regex = id_pattern("pay")

    @extend_schema(summary="List payments", responses=serializer_of(PaymentBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.payment(row) for row in page or ()])

    @extend_schema(
        summary="Take money",
        request=NewPaymentSerializer,
        examples=[BY_YOURSELF, AWAY, ON_A_PAGE],
        responses={200: serializer_of(PayablePaymentBody), 201: serializer_of(PayablePaymentBody)},
    )
    def create(self, request: Request) -> Response:
        """An amount that your own front end confirms (`client_secret`), one that is charged to a
        saved method at once (`off_session`), or prices and carts on a hosted page (`url`).

        200 and the existing payment for a `reference` that is known; 409 `reference-reused` if
        it names another payment. 402 `card-declined` for an off-session payment that was
        refused: it stays, as `failed`.
        """
        row, is_new = payments.take(
            project=self.calling_project,
            payment_request=payment_request(self.parse_body(NewPaymentSerializer)),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(self._payable(row), status=201 if is_new else 200)

    @extend_schema(summary="Show a payment", responses=serializer_of(PayablePaymentBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        """With its `client_secret` for a key that may take money."""
        return Response(self._payable(self._payment(pk)))

    @extend_schema(
        summary="Tell where the money is",
        responses=serializer_of(PaymentStatusBody, name="Standing"),
    )
    @action(detail=True, methods=["get"])
    def status(self, request: Request, pk: str) -> Response:
        """As little as a page that waits needs: one query, and Stripe is not asked."""
        row = stored.standing(project=self.calling_project, payment_id=pk)
        return Response(representation.payment_status(row))

    @extend_schema(
        summary="Read a payment from Stripe now",
        request=None,
        responses={200: serializer_of(PayablePaymentBody)},
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """For the moment when the buyer comes back. Does what the webhook does, in whichever
        order the two happen."""
        row = payments.read_again(payment=self._payment(pk), at=timezone.now())
        return Response(self._payable(row))

    @extend_schema(
        summary="Call a payment off",
        request=None,
        responses={200: serializer_of(PayablePaymentBody)},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Nobody can pay it any more. 409 `payment-not-cancelable` once Stripe has the money."""
        row = payments.cancel(payment=self._payment(pk), actor=self.actor, at=timezone.now())
        return Response(self._payable(row))

    @extend_schema(
        summary="Refund a payment",
        request=NewRefundSerializer,
        responses={201: serializer_of(RefundBody)},
    )
    @action(detail=True, methods=["post"])
    def refunds(self, request: Request, pk: str) -> Response:
        """In whole, in part, or by `lines` of the purchase. What becomes of access is for each
        product's `refund_policy` to say; lines that are given back in whole lose theirs, the others
        keep it. A refund may fail later: then `payment.refund_failed` tells, and access is back.

        409 `nothing-to-refund` for more than is left, of the payment or of a `line`;
        `credited-to-balance` for what a change of plan has credited already, unless `credited_too`
        is true.
        """
        body = self.parse_body(NewRefundSerializer)
        row = refunds.refund(
            payment=self._payment(pk),
            request=RefundRequest(
                amount=body.get("amount"),
                lines=[LineRefundRequest(**each) for each in body.get("lines", ())],
                credited_too=body["credited_too"],
                reason=body.get("reason", ""),
                metadata=body["metadata"],
            ),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.refund(row), status=201)

    def _payable(self, row: Payment) -> PayablePaymentBody:
        may_take = self.request.auth.allows(KeyScope.PAYMENTS_WRITE)  # type: ignore[union-attr]
        return {
            **representation.payment(row),
            "url": (row.checkout.url or None) if row.checkout is not None else None,
            "client_secret": stored.client_secret(row) if may_take else None,
        }

    def _payment(self, pk: str) -> Payment:
        return stored.get(project=self.calling_project, payment_id=pk)
