"""``/payments``: create, list, show, sync, cancel and refund payments."""

from typing import Annotated, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation, row_ids
from billing.accounts import publishable_keys
from billing.api_fields import IdField, id_pattern
from billing.models import Payment
from billing.models.payment import PaymentStatus, PaymentType
from billing.payments import refunds
from billing.payments import service as payments
from billing.payments.api.payment_request import (
    INTENT_EXAMPLE,
    OFF_SESSION_EXAMPLE,
    PAGE_EXAMPLE,
    NewPaymentSerializer,
    WorkflowIdField,
    build_payment_request,
)
from billing.payments.api.refunds import NewRefundSerializer
from billing.payments.refund_lines import LineRefundRequest
from billing.payments.refunds import RefundRequest
from billing.payments.selectors import payments as stored
from billing.representation.payments import PaymentBody, PaymentStatusBody, RefundBody
from common.api.bodies import serializer_of
from common.api.serializers import MetadataFilterField, StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class PayablePaymentBody(PaymentBody):
    """The payment, with what its buyer needs to pay it."""

    url: Annotated[str | None, "Hosted page, null unless it is open. Send the buyer there."]
    client_secret: Annotated[
        str | None,
        "Secret that Stripe.js needs in your own front end. Only for the type intent, and only for "
        "API keys with the scope payments:write.",
    ]
    publishable_key: Annotated[
        str | None,
        "Key for Stripe.js (pk_…), beside `client_secret`. Null: none is set for the account.",
    ]


class PaymentFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    checkout = IdField(prefix="chk", required=False)
    status = serializers.ChoiceField(choices=PaymentStatus.choices, required=False)
    type = serializers.ChoiceField(
        choices=PaymentType.choices, required=False, source="payment_type"
    )
    reference = serializers.CharField(max_length=255, required=False)
    workflow_id = WorkflowIdField(required=False)
    metadata = MetadataFilterField()


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
        summary="Create a payment",
        request=NewPaymentSerializer,
        examples=[INTENT_EXAMPLE, OFF_SESSION_EXAMPLE, PAGE_EXAMPLE],
        responses={200: serializer_of(PayablePaymentBody), 201: serializer_of(PayablePaymentBody)},
    )
    def create(self, request: Request) -> Response:
        """Creates one of three: an amount that your own front end confirms with `client_secret`; an
        amount that a saved method pays at once (`off_session`); or prices, lines or a cart that
        the buyer pays on the hosted page `url`.

        200 with the existing payment if `reference` names one already, 409 `reference-reused` if
        that payment differs from this request. 402 `card-declined` if an off-session payment is
        refused; that payment stays with the status `failed`.
        """
        row, is_new = payments.create(
            project=self.calling_project,
            payment_request=build_payment_request(self.parse_body(NewPaymentSerializer)),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        row_ids.log(row)
        return Response(self._payable_body(row), status=201 if is_new else 200)

    @extend_schema(summary="Show a payment", responses=serializer_of(PayablePaymentBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        """Contains `client_secret` only for an API key with the scope payments:write."""
        return Response(self._payable_body(self._payment(pk)))

    @extend_schema(
        summary="Show a payment's status",
        responses=serializer_of(PaymentStatusBody, name="PaymentStatus"),
    )
    @action(detail=True, methods=["get"])
    def status(self, request: Request, pk: str) -> Response:
        """The few fields that a page needs while it waits for the payment. Does not call Stripe."""
        row = stored.get_status(project=self.calling_project, payment_id=pk)
        return Response(representation.payment_status(row))

    @extend_schema(
        summary="Read a payment from Stripe now",
        request=None,
        responses={200: serializer_of(PayablePaymentBody)},
    )
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """Call it when the buyer returns to your site. It stores what the webhook would store, and
        the two may happen in any order."""
        row = payments.read_again(payment=self._payment(pk), at=timezone.now())
        return Response(self._payable_body(row))

    @extend_schema(
        summary="Cancel a payment",
        request=None,
        responses={200: serializer_of(PayablePaymentBody)},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """The buyer can no longer pay it. 409 `payment-not-cancelable` if it has been paid."""
        row = payments.cancel(payment=self._payment(pk), actor=self.actor, at=timezone.now())
        return Response(self._payable_body(row))

    @extend_schema(
        summary="Refund a payment",
        request=NewRefundSerializer,
        responses={201: serializer_of(RefundBody)},
    )
    @action(detail=True, methods=["post"])
    def refunds(self, request: Request, pk: str) -> Response:
        """Refunds all that is left, an `amount`, or `lines` of the purchase. Each product's
        `refund_policy` decides about its access; a line that is refunded in full loses its access,
        the other lines keep theirs. If a refund fails later, the event `payment.refund_failed` is
        sent and the access returns.

        409 `nothing-to-refund` for more than is left of the payment or of a line. 409
        `credited-to-balance` for money that a plan change has already credited to the customer's
        balance, unless `credited_too` is true.
        """
        body = self.parse_body(NewRefundSerializer)
        row = refunds.create(
            payment=self._payment(pk),
            request=RefundRequest(
                amount=body.get("amount"),
                lines=[LineRefundRequest(**line) for line in body.get("lines", ())],
                credited_too=body["credited_too"],
                reason=body.get("reason", ""),
                metadata=body["metadata"],
            ),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.refund(row), status=201)

    def _payable_body(self, row: Payment) -> PayablePaymentBody:
        can_write = self.request.auth.allows(KeyScope.PAYMENTS_WRITE)  # type: ignore[union-attr]
        client_secret = stored.decrypt_client_secret(row) if can_write else None
        return {
            **representation.payment(row),
            "url": (row.checkout.url or None) if row.checkout is not None else None,
            "client_secret": client_secret,
            "publishable_key": publishable_keys.of_account(row.account) if client_secret else None,
        }

    def _payment(self, pk: str) -> Payment:
        row = stored.get(project=self.calling_project, payment_id=pk)
        row_ids.log(row)
        return row
