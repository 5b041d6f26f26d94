"""``/prices``: prices of products. The amount of a price never changes: create a new price."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, StripeMetadataField, id_pattern
from billing.catalog import service as catalog
from billing.catalog import stripe_meters
from billing.catalog.catalog_requests import PriceRequest
from billing.catalog.selectors import catalog as catalog_selectors
from billing.models.price import Interval, PriceType
from billing.representation.catalog import PriceBody
from common.api.bodies import serializer_of
from common.api.serializers import (
    ChargeSerializer,
    CurrencyField,
    FlagField,
    StrictSerializer,
    WholeNumberField,
)
from common.money import MAX_AMOUNT, Money
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

LONGEST = {Interval.DAY: 1095, Interval.WEEK: 156, Interval.MONTH: 36, Interval.YEAR: 3}
"""The longest billing interval at Stripe: three years."""


class UnitAmountSerializer(ChargeSerializer):
    """``{"amount": 2900, "currency": "usd"}``, in minor units; 0 is free."""

    amount = WholeNumberField(min_value=0, max_value=MAX_AMOUNT)


class NewPriceSerializer(StrictSerializer):
    product = IdField(prefix="prod")
    unit_amount = UnitAmountSerializer()
    interval = serializers.ChoiceField(
        choices=Interval.choices,
        required=False,
        allow_null=True,
        help_text="The billing interval. If absent: a one-time price.",
    )
    interval_count = WholeNumberField(min_value=1, max_value=1095, default=1)
    meter = serializers.CharField(
        required=False,
        max_length=64,
        help_text="The code of a meter. Its usage in each interval is billed at the end of the "
        "interval.",
    )
    nickname = serializers.CharField(max_length=250, allow_blank=True, default="")
    metadata = StripeMetadataField(default=dict)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        interval, count = attrs.get("interval") or "", attrs["interval_count"]
        if not interval and count != 1:
            raise serializers.ValidationError({"interval_count": ["Only with an interval."]})
        if "meter" in attrs and not interval:
            raise serializers.ValidationError({"interval": ["Use is billed in intervals."]})
        if interval and count > LONGEST[Interval(interval)]:
            raise serializers.ValidationError({"interval_count": ["At most three years."]})
        return {**attrs, "interval": interval}


class PriceChangeSerializer(StrictSerializer):
    active = FlagField()


class PriceFilterSerializer(StrictSerializer):
    product = IdField(prefix="prod", required=False)
    active = serializers.BooleanField(
        required=False, help_text="True: only prices on sale. False: only others."
    )
    type = serializers.ChoiceField(choices=PriceType.choices, required=False, source="price_type")
    currency = CurrencyField(required=False)


class PricesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
        "create": KeyScope.CATALOG_WRITE,
        "partial_update": KeyScope.CATALOG_WRITE,
    }
    query = {"list": PriceFilterSerializer}
    lookup_value_regex = id_pattern("price")

    @extend_schema(summary="List prices", responses=serializer_of(PriceBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = catalog_selectors.prices(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.price(row) for row in page or ()])

    @extend_schema(summary="Show a price", responses=serializer_of(PriceBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        row = catalog_selectors.price(project=self.calling_project, price_id=pk)
        return Response(representation.price(row))

    @extend_schema(
        summary="Create a price",
        request=NewPriceSerializer,
        responses={201: serializer_of(PriceBody)},
    )
    def create(self, request: Request) -> Response:
        """Creates the price at Stripe too. After a 503, send the same request again: it finishes
        the first one."""
        body = self.parse_body(NewPriceSerializer)
        unit_amount = body.pop("unit_amount")
        code = body.pop("meter", None)
        product = catalog_selectors.product(
            project=self.calling_project, product_id=body.pop("product")
        )
        meter = stripe_meters.find_meter(project=self.calling_project, code=code) if code else None
        row = catalog.create_price(
            product=product,
            request=PriceRequest(
                money=Money(unit_amount["amount"], unit_amount["currency"]),
                meter=meter,
                **body,
            ),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            at=timezone.now(),
        )
        return Response(representation.price(row), status=201)

    @extend_schema(
        summary="Put a price on sale or take it off",
        request=PriceChangeSerializer,
        responses=serializer_of(PriceBody),
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Subscriptions that have the price keep it. Nothing else about a price can be changed."""
        row = catalog_selectors.price(project=self.calling_project, price_id=pk)
        active = self.parse_body(PriceChangeSerializer)["active"]
        row = catalog.set_price_active(
            price=row, active=active, actor=self.actor, at=timezone.now()
        )
        return Response(representation.price(row))
