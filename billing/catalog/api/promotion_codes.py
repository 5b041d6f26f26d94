"""``/promotion-codes``: codes that buyers enter to get the discount of a coupon."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField, StripeMetadataField, id_pattern
from billing.catalog import promotion_codes
from billing.catalog.api.coupons import MAX_REDEMPTIONS
from billing.catalog.api.prices import UnitAmountSerializer
from billing.catalog.promotion_codes import MAX_CODE_LENGTH, PromotionCodeRequest
from billing.catalog.selectors import coupons
from billing.representation.coupons import PromotionCodeBody, promotion_code
from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer, UserIdField, WholeNumberField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

CODE = rf"^[A-Za-z0-9-]{{1,{MAX_CODE_LENGTH}}}\Z"


class NewPromotionCodeSerializer(StrictSerializer):
    coupon = IdField(prefix="cpn")
    code = serializers.RegexField(
        CODE, required=False, help_text="Letters, digits and hyphens. If absent: generated."
    )
    user_id = UserIdField(required=False)
    max_redemptions = WholeNumberField(min_value=1, max_value=MAX_REDEMPTIONS, required=False)
    expires_at = serializers.DateTimeField(required=False)
    first_time_transaction = FlagField(
        default=False, help_text="True: only for buyers who have never paid before."
    )
    minimum_amount = UnitAmountSerializer(required=False)
    metadata = StripeMetadataField(default=dict)


class PromotionCodeChangeSerializer(StrictSerializer):
    active = FlagField()


class PromotionCodeFilterSerializer(StrictSerializer):
    coupon = IdField(prefix="cpn", required=False)
    code = serializers.CharField(max_length=500, required=False)
    active = serializers.BooleanField(required=False)


class PromotionCodesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
        "create": KeyScope.CATALOG_WRITE,
        "partial_update": KeyScope.CATALOG_WRITE,
    }
    query = {"list": PromotionCodeFilterSerializer}
    lookup_value_regex = id_pattern("promo")

    @extend_schema(
        summary="List promotion codes", responses=serializer_of(PromotionCodeBody)(many=True)
    )
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = coupons.codes(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([promotion_code(row) for row in page or ()])

    @extend_schema(summary="Show a promotion code", responses=serializer_of(PromotionCodeBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(promotion_code(coupons.code(project=self.calling_project, code_id=pk)))

    @extend_schema(
        summary="Create a promotion code",
        request=NewPromotionCodeSerializer,
        responses={201: serializer_of(PromotionCodeBody)},
    )
    def create(self, request: Request) -> Response:
        """Creates the code at Stripe too. 409 ``promotion-code-exists`` if a buyer could already
        redeem another active code with the same text."""
        body = self.parse_body(NewPromotionCodeSerializer)
        least = body.pop("minimum_amount", {"amount": None, "currency": ""})
        row = promotion_codes.create(
            coupon=coupons.get(project=self.calling_project, coupon_id=body.pop("coupon")),
            request=PromotionCodeRequest(
                **body,
                minimum_amount=least["amount"],
                minimum_amount_currency=least["currency"],
            ),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(promotion_code(row), status=201)

    @extend_schema(
        summary="Activate or deactivate a promotion code",
        request=PromotionCodeChangeSerializer,
        responses=serializer_of(PromotionCodeBody),
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        row = coupons.code(project=self.calling_project, code_id=pk)
        active = self.parse_body(PromotionCodeChangeSerializer)["active"]
        row = promotion_codes.set_active(
            code=row, active=active, actor=self.actor, at=timezone.now()
        )
        return Response(promotion_code(row))
