"""``/invoices``: the bills that Stripe wrote, with links to the page and the PDF."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, id_pattern
from billing.invoices import selectors as stored
from common.api.serializers import MoneySerializer, StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import Scope


class InvoiceLineSerializer(serializers.Serializer[Any]):
    description = serializers.CharField()
    price = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField(allow_null=True)
    amount = MoneySerializer(help_text="Before discounts, and taxes that are added.")
    discount = MoneySerializer()
    billing_credits = MoneySerializer(help_text="Taken off by Stripe's credit grants.")
    tax = MoneySerializer(help_text="What is added; a tax that the amount includes is not.")
    is_proration = serializers.BooleanField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()


class InvoiceTaxSerializer(serializers.Serializer[Any]):
    amount = MoneySerializer()
    behavior = serializers.ChoiceField(
        choices=["exclusive", "inclusive"], help_text="Added to the amounts, or part of them."
    )
    taxable_amount = MoneySerializer(allow_null=True)


class InvoiceDiscountSerializer(serializers.Serializer[Any]):
    amount = MoneySerializer()
    coupon = serializers.CharField(allow_null=True)
    promotion_code = serializers.CharField(allow_null=True)


class InvoicePaymentSerializer(serializers.Serializer[Any]):
    payment = serializers.CharField(
        allow_null=True, help_text="Null for money that came another way."
    )
    status = serializers.CharField(
        help_text="open, processing (a bank has yet to answer), paid or canceled."
    )
    amount = MoneySerializer(help_text="How much of the invoice it has settled.")


class CreditNoteSerializer(serializers.Serializer[Any]):
    """What was taken off after the invoice was final, taxes included."""

    id = serializers.CharField()
    number = serializers.CharField(allow_null=True)
    status = serializers.CharField(help_text="Stripe's: issued or void.")
    reason = serializers.CharField(allow_null=True)
    amount = MoneySerializer()
    stripe_id = serializers.CharField()
    issued_at = serializers.DateTimeField()


class InvoiceSerializer(serializers.Serializer[Any]):
    """A bill, as Stripe wrote it: the total is the subtotal less the discount and the billing
    credits, with the taxes that are added, and so is each line's part of it."""

    id = serializers.CharField()
    number = serializers.CharField(allow_null=True)
    status = serializers.CharField(
        help_text="Stripe's: draft, open, paid, uncollectible or void; others may come."
    )
    billing_reason = serializers.CharField(allow_null=True)
    customer = serializers.CharField()
    user_id = serializers.CharField()
    subscription = serializers.CharField(allow_null=True)
    subtotal = MoneySerializer()
    discount = MoneySerializer()
    billing_credits = MoneySerializer(help_text="Taken off by Stripe's credit grants.")
    tax = MoneySerializer()
    total = MoneySerializer()
    amount_due = MoneySerializer()
    amount_paid = MoneySerializer()
    amount_remaining = MoneySerializer()
    amount_credited = MoneySerializer(help_text="Taken off by credit notes.")
    taxes = InvoiceTaxSerializer(many=True)
    discounts = InvoiceDiscountSerializer(many=True)
    payments = InvoicePaymentSerializer(many=True)
    credit_notes = CreditNoteSerializer(many=True)
    attempt_count = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    lines = InvoiceLineSerializer(many=True)
    hosted_url = serializers.CharField(allow_null=True)
    pdf_url = serializers.CharField(allow_null=True)
    stripe_id = serializers.CharField()
    issued_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)


class InvoiceFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    subscription = IdField(prefix="sub", required=False)
    status = serializers.CharField(max_length=20, required=False, help_text="Stripe's word.")
    number = serializers.CharField(max_length=64, required=False)
    issued_from = serializers.DateTimeField(required=False)
    issued_before = serializers.DateTimeField(required=False)


class InvoicesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.INVOICES_READ,
        "retrieve": Scope.INVOICES_READ,
        "pdf": Scope.INVOICES_READ,
    }
    query = {"list": InvoiceFilterSerializer}
    lookup_value_regex = id_pattern("inv")

    @extend_schema(summary="List invoices", responses=InvoiceSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.invoice(row) for row in page or ()])

    @extend_schema(summary="Show an invoice", responses=InvoiceSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        row = stored.get(project=self.calling_project, invoice_id=pk)
        return Response(representation.invoice(row))

    @extend_schema(
        summary="Fetch an invoice as a PDF",
        request=None,
        responses={302: OpenApiResponse(description="It is at Stripe, under `Location`.")},
    )
    @action(detail=True, methods=["get"])
    def pdf(self, request: Request, pk: str) -> Response:
        """Sends whoever asks on to Stripe, without the key. 409 `no-document` for a draft."""
        address = stored.document(project=self.calling_project, invoice_id=pk)
        return Response(status=302, headers={"Location": address})
