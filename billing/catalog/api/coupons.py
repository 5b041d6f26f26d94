"""``/coupons``: the discounts of a project."""

from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField, StripeMetadataField, id_pattern
from billing.catalog import coupons
from billing.catalog.api.prices import UnitAmountSerializer
from billing.catalog.coupons import CouponRequest
from billing.catalog.selectors import coupons as coupon_selectors
from billing.models import Coupon
from billing.models.coupon import Duration
from billing.representation import coupons as representation
from billing.representation.coupons import CouponBody
from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer, WholeNumberField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MAX_REDEMPTIONS = 1_000_000_000
MAX_PRODUCTS = 100


class PercentField(serializers.DecimalField):
    """Text such as ``"12.5"``, or a whole number. JSON numbers with a fraction are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_digits=5,
            decimal_places=2,
            min_value=Decimal("0.01"),
            max_value=Decimal(100),
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> Decimal:
        if type(data) not in (int, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NewCouponSerializer(StrictSerializer):
    name = serializers.CharField(max_length=40, default="", allow_blank=True)
    percent_off = PercentField(required=False, help_text='Such as "12.5". Send this or amount_off.')
    amount_off = UnitAmountSerializer(required=False)
    duration = serializers.ChoiceField(choices=Duration.choices, default=Duration.ONCE)
    duration_in_months = WholeNumberField(min_value=1, max_value=1200, required=False)
    max_redemptions = WholeNumberField(min_value=1, max_value=MAX_REDEMPTIONS, required=False)
    redeem_by = serializers.DateTimeField(required=False)
    products = ListField(child=IdField(prefix="prod"), required=False, max_length=MAX_PRODUCTS)
    metadata = StripeMetadataField(default=dict)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("percent_off" in attrs) == ("amount_off" in attrs):
            raise serializers.ValidationError("Send either percent_off or amount_off.")
        if attrs.get("amount_off", {}).get("amount") == 0:
            raise serializers.ValidationError({"amount_off": ["At least 1."]})
        repeats = attrs["duration"] == Duration.REPEATING
        if repeats != ("duration_in_months" in attrs):
            raise serializers.ValidationError(
                {"duration_in_months": ["With a duration of repeating, and only then."]}
            )
        return attrs


class CouponChangeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=40, required=False, allow_blank=True)
    metadata = StripeMetadataField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Say what to change.")
        return attrs


class CouponFilterSerializer(StrictSerializer):
    valid = serializers.BooleanField(
        required=False, help_text="True: only valid ones. False: only others."
    )


class CouponsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
        "create": KeyScope.CATALOG_WRITE,
        "partial_update": KeyScope.CATALOG_WRITE,
        "destroy": KeyScope.CATALOG_WRITE,
    }
    query = {"list": CouponFilterSerializer}
    lookup_value_regex = id_pattern("cpn")

    @extend_schema(summary="List coupons", responses=serializer_of(CouponBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first, without deleted ones."""
        rows = coupon_selectors.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows) or []
        products = coupon_selectors.products(project=self.calling_project, coupons=page)
        return self.get_paginated_response([representation.coupon(row, products) for row in page])

    @extend_schema(summary="Show a coupon", responses=serializer_of(CouponBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._shown(coupon_selectors.get(project=self.calling_project, coupon_id=pk))

    @extend_schema(
        summary="Create a coupon",
        request=NewCouponSerializer,
        responses={201: serializer_of(CouponBody)},
    )
    def create(self, request: Request) -> Response:
        """Creates the coupon at Stripe too. Its discount and duration never change."""
        body = self.parse_body(NewCouponSerializer)
        amount = body.pop("amount_off", {"amount": None, "currency": ""})
        row = coupons.create(
            project=self.calling_project,
            request=CouponRequest(**body, amount_off=amount["amount"], currency=amount["currency"]),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return self._shown(row, status=201)

    @extend_schema(
        summary="Rename a coupon",
        request=CouponChangeSerializer,
        responses=serializer_of(CouponBody),
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        row = coupon_selectors.get(project=self.calling_project, coupon_id=pk)
        body = self.parse_body(CouponChangeSerializer)
        return self._shown(coupons.change(coupon=row, actor=self.actor, at=timezone.now(), **body))

    @extend_schema(summary="Delete a coupon", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The coupon and its promotion codes can no longer be redeemed. Subscriptions that have
        its discount keep it."""
        row = coupon_selectors.get(project=self.calling_project, coupon_id=pk)
        coupons.delete(coupon=row, actor=self.actor, at=timezone.now())
        return Response(status=204)

    def _shown(self, row: Coupon, *, status: int = 200) -> Response:
        products = coupon_selectors.products(project=self.calling_project, coupons=[row])
        return Response(representation.coupon(row, products), status=status)
