"""``/invoices``: list and show Stripe's invoices, redirect to the PDF."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation, row_ids
from billing.api_fields import IdField, id_pattern
from billing.invoices import selectors as stored
from billing.representation.invoices import InvoiceBody
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class InvoiceFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    subscription = IdField(prefix="sub", required=False)
    status = serializers.CharField(
        max_length=20, required=False, help_text="Stripe's invoice status, such as open or paid."
    )
    number = serializers.CharField(max_length=64, required=False)
    issued_from = serializers.DateTimeField(required=False)
    issued_before = serializers.DateTimeField(required=False)


class InvoicesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.INVOICES_READ,
        "retrieve": KeyScope.INVOICES_READ,
        "pdf": KeyScope.INVOICES_READ,
    }
    query = {"list": InvoiceFilterSerializer}
    lookup_value_regex = id_pattern("inv")

    @extend_schema(summary="List invoices", responses=serializer_of(InvoiceBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.invoice(row) for row in page or ()])

    @extend_schema(summary="Show an invoice", responses=serializer_of(InvoiceBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        row = stored.get(project=self.calling_project, invoice_id=pk)
        row_ids.log(row)
        return Response(representation.invoice(row))

    @extend_schema(
        summary="Fetch an invoice as a PDF",
        request=None,
        responses={302: OpenApiResponse(description="`Location` is the PDF's address at Stripe.")},
    )
    @action(detail=True, methods=["get"])
    def pdf(self, request: Request, pk: str) -> Response:
        """Redirects to Stripe; the address needs no API key. 409 `no-document` for a draft."""
        pdf_url = stored.get_pdf_url(project=self.calling_project, invoice_id=pk)
        return Response(status=302, headers={"Location": pdf_url})
