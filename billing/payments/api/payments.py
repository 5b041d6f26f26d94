"""``/payments``: take money, learn what became of it, give it back."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, id_pattern
from billing.checkout.api.checkout_type import DetectedSerializer
from billing.models import Payment
from billing.models.payment import PaymentStatus, PaymentType
from billing.payments import refunds
from billing.payments import service as payments
from billing.payments.api.disputes import DisputeSerializer
from billing.payments.api.payment_request import (
    AWAY,
    BY_YOURSELF,
    ON_A_PAGE,
    NewPaymentSerializer,
    wish,
)
from billing.payments.api.refunds import NewRefundSerializer, RefundSerializer
from billing.payments.refund_lines import Wanted
from billing.payments.selectors import payments as stored
from common.api.serializers import MoneySerializer, StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import Scope


class FailureSerializer(serializers.Serializer[Any]):
    """Why the last attempt failed, in Stripe's words."""

    code = serializers.CharField()
    message = serializers.CharField()


class FraudWarningSerializer(serializers.Serializer[Any]):
    """The card's issuer says that the payment may be fraud. Nothing is refunded because of it."""

    id = serializers.CharField()
    fraud_type = serializers.CharField(help_text="Stripe's: made_with_stolen_card, misc, …")
    actionable = serializers.BooleanField(
        help_text="Whether a refund can still spare a dispute: neither disputed nor refunded yet."
    )
    stripe_id = serializers.CharField()
    warned_at = serializers.DateTimeField()


class RefundedLineSerializer(serializers.Serializer[Any]):
    """A line of the purchase, and what went back of it."""

    line = serializers.CharField()
    amount = MoneySerializer()


class PaymentSerializer(serializers.Serializer[Any]):
    """Money taken, or to be taken."""

    id = serializers.CharField()
    type = serializers.ChoiceField(
        choices=PaymentType.choices,
        allow_null=True,
        help_text="Null for a payment that did not begin with POST /payments.",
    )
    detected = DetectedSerializer(allow_null=True)
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    customer = serializers.CharField()
    user_id = serializers.CharField()
    checkout = serializers.CharField(allow_null=True)
    reference = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    amount = MoneySerializer()
    amount_received = MoneySerializer()
    amount_refunded = MoneySerializer(help_text="What went back, or is on its way.")
    refunded_lines = RefundedLineSerializer(
        many=True, help_text="What refunds that name lines gave back of each."
    )
    amount_disputed = MoneySerializer(help_text="Withheld by open disputes, or lost to them.")
    invoice = serializers.CharField(allow_null=True, help_text="The invoice that it settles.")
    failure = FailureSerializer(allow_null=True)
    refunds = RefundSerializer(many=True)
    disputes = DisputeSerializer(many=True)
    fraud_warnings = FraudWarningSerializer(many=True)
    off_session = serializers.BooleanField()
    save_payment_method = serializers.BooleanField()
    payment_method_type = serializers.CharField(
        allow_null=True, help_text="Stripe's: card, us_bank_account, …"
    )
    metadata = serializers.DictField(child=serializers.CharField())
    stripe_id = serializers.CharField(
        allow_null=True, help_text="Null on a page that nobody has paid on."
    )
    expires_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class PayablePaymentSerializer(PaymentSerializer):
    """The payment, and how it is paid."""

    url = serializers.CharField(
        allow_null=True, help_text="The hosted page, while it is open: send the buyer there."
    )
    client_secret = serializers.CharField(
        allow_null=True,
        help_text="For Stripe.js in your own front end. Only for the type intent, and only for "
        "keys with payments:write.",
    )


class StandingSerializer(serializers.Serializer[Any]):
    """Where the money is."""

    id = serializers.CharField()
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    amount = MoneySerializer()
    paid_at = serializers.DateTimeField(allow_null=True)
    failure = FailureSerializer(allow_null=True)


class PaymentFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    checkout = IdField(prefix="chk", required=False)
    status = serializers.ChoiceField(choices=PaymentStatus.choices, required=False)
    type = serializers.ChoiceField(choices=PaymentType.choices, required=False)
    reference = serializers.CharField(max_length=255, required=False)


class PaymentsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.PAYMENTS_READ,
        "create": Scope.PAYMENTS_WRITE,
        "retrieve": Scope.PAYMENTS_READ,
        "status": Scope.PAYMENTS_READ,
        "sync": Scope.PAYMENTS_WRITE,
        "cancel": Scope.PAYMENTS_WRITE,
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

    @extend_schema(
        summary="Take money",
        request=NewPaymentSerializer,
        examples=[BY_YOURSELF, AWAY, ON_A_PAGE],
        responses={200: PayablePaymentSerializer, 201: PayablePaymentSerializer},
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
            wish=wish(self.parse_body(NewPaymentSerializer)),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(self._payable(row), status=201 if is_new else 200)

    @extend_schema(summary="Show a payment", responses=PayablePaymentSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """With its `client_secret` for a key that may take money."""
        return Response(self._payable(self._payment(pk)))

    @extend_schema(summary="Tell where the money is", responses=StandingSerializer)
    @action(detail=True, methods=["get"])
    def status(self, request: Request, pk: str) -> Response:
        """As little as a page that waits needs: one query, and Stripe is not asked."""
        row = stored.standing(project=self.calling_project, payment_id=pk)
        return Response(representation.standing(row))

    @extend_schema(
        summary="Read a payment from Stripe now",
        request=None,
        responses={200: PayablePaymentSerializer},
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """For the moment when the buyer comes back. Does what the webhook does, in whichever
        order the two happen."""
        row = payments.read_again(payment=self._payment(pk), at=timezone.now())
        return Response(self._payable(row))

    @extend_schema(
        summary="Call a payment off", request=None, responses={200: PayablePaymentSerializer}
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Nobody can pay it any more. 409 `payment-not-cancelable` once Stripe has the money."""
        row = payments.cancel(payment=self._payment(pk), actor=self.actor, at=timezone.now())
        return Response(self._payable(row))

    @extend_schema(
        summary="Refund a payment",
        request=NewRefundSerializer,
        responses={201: RefundSerializer},
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
            amount=body.get("amount"),
            reason=body.get("reason", ""),
            metadata=body["metadata"],
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            actor=self.actor,
            at=timezone.now(),
            credited_too=body["credited_too"],
            lines=[Wanted(**each) for each in body.get("lines", ())],
        )
        return Response(representation.refund(row), status=201)

    def _payable(self, row: Payment) -> dict[str, Any]:
        may_take = self.request.auth.allows(Scope.PAYMENTS_WRITE)  # type: ignore[union-attr]
        return {
            **representation.payment(row),
            "url": (row.checkout.url or None) if row.checkout is not None else None,
            "client_secret": stored.client_secret(row) if may_take else None,
        }

    def _payment(self, pk: str) -> Payment:
        return stored.get(project=self.calling_project, payment_id=pk)
