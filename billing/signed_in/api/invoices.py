"""``/billing/invoices``: the signed-in user's invoices."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.invoices import selectors as invoice_selectors
from billing.representation.invoices import InvoiceBody
from billing.signed_in.api.base import PROJECT_HEADER, SignedInViewSet
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer
from projects.keys.scopes import USER


class UserInvoiceFilterSerializer(StrictSerializer):
    status = serializers.CharField(
        max_length=20, required=False, help_text="Stripe's status of the invoice."
    )


class UserInvoicesViewSet(SignedInViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": USER}
    query = {"list": UserInvoiceFilterSerializer}

    @extend_schema(
        operation_id="billing_invoices_list",
        summary="List the signed-in user's invoices",
        parameters=[PROJECT_HEADER],
        responses=serializer_of(InvoiceBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = invoice_selectors.listing(
            project=self.calling_project, user_id=self.user_id, **self.query_values
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.invoice(row) for row in page or ()])
