"""``/products``: the products of a project, with the features and credits that each one gives."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import StripeMetadataField, id_pattern
from billing.catalog import service as catalog
from billing.catalog.catalog_requests import ProductChangeRequest, ProductRequest
from billing.catalog.product_credits import (
    MAX_AMOUNT,
    MAX_DAYS,
    NO_CREDITS,
    USUAL_PRIORITY,
    ProductCredits,
)
from billing.catalog.product_features import ProductEntitlement
from billing.catalog.selectors import catalog as catalog_selectors
from billing.models import Product
from billing.models.product import DisputePolicy, RefundPolicy, RenewalPolicy
from billing.representation.catalog import DISPUTES, REFUNDS, RENEWALS, ProductBody
from common.api.bodies import serializer_of
from common.api.serializers import FlagField, ListField, StrictSerializer, WholeNumberField
from entitlements.api_fields import FeatureValueField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MAX_FEATURES = 100
MAX_CREDITS = 10**9


class GivenFeatureSerializer(StrictSerializer):
    """A feature that the product gives, with its value."""

    feature = serializers.CharField(max_length=64, help_text="The feature's code.")
    value = FeatureValueField(default=True)


class GivenCreditsSerializer(StrictSerializer):
    """Credits that each unit gives: in every period of a subscription, or once per purchase."""

    amount = WholeNumberField(min_value=1, max_value=MAX_AMOUNT)
    priority = WholeNumberField(
        min_value=0,
        max_value=100,
        default=USUAL_PRIORITY,
        help_text="Credits with the lowest number are spent first.",
    )
    expires_after_days = WholeNumberField(
        min_value=1,
        max_value=MAX_DAYS,
        allow_null=True,
        default=None,
        help_text="Null: credits of a subscription expire with their period, credits of a one-time "
        "purchase never.",
    )


class NewProductSerializer(StrictSerializer):
    name = serializers.CharField(max_length=250)
    description = serializers.CharField(max_length=5000, allow_blank=True, default="")
    features = ListField(child=GivenFeatureSerializer(), default=list, max_length=MAX_FEATURES)
    credits = GivenCreditsSerializer(allow_null=True, default=None)
    refund_policy = serializers.ChoiceField(
        choices=RefundPolicy.choices, default=RefundPolicy.REVOKE, help_text=REFUNDS
    )
    dispute_policy = serializers.ChoiceField(
        choices=DisputePolicy.choices, default=DisputePolicy.HOLD, help_text=DISPUTES
    )
    renewal_policy = serializers.ChoiceField(
        choices=RenewalPolicy.choices, default=RenewalPolicy.PAID, help_text=RENEWALS
    )
    metadata = StripeMetadataField(default=dict)
    custom_price = FlagField(
        default=False,
        help_text="True: each customer agrees on a price with you; plans show no price.",
    )


class ProductChangeSerializer(StrictSerializer):
    """Fields that you do not send keep their values. ``features`` and ``metadata`` are replaced as
    a whole."""

    name = serializers.CharField(max_length=250, required=False)
    description = serializers.CharField(max_length=5000, allow_blank=True, required=False)
    active = FlagField(required=False)
    features = ListField(child=GivenFeatureSerializer(), required=False, max_length=MAX_FEATURES)
    credits = GivenCreditsSerializer(
        allow_null=True,
        required=False,
        help_text="Null: none. Credits that were given already do not change.",
    )
    refund_policy = serializers.ChoiceField(
        choices=RefundPolicy.choices, required=False, help_text=REFUNDS
    )
    dispute_policy = serializers.ChoiceField(
        choices=DisputePolicy.choices, required=False, help_text=DISPUTES
    )
    renewal_policy = serializers.ChoiceField(
        choices=RenewalPolicy.choices, required=False, help_text=RENEWALS
    )
    metadata = StripeMetadataField(required=False)
    custom_price = FlagField(required=False)


class ProductFilterSerializer(StrictSerializer):
    active = serializers.BooleanField(
        required=False, help_text="True: only products on sale. False: only others."
    )


class ProductsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
        "create": KeyScope.CATALOG_WRITE,
        "partial_update": KeyScope.CATALOG_WRITE,
    }
    query = {"list": ProductFilterSerializer}
    lookup_value_regex = id_pattern("prod")

    @extend_schema(summary="List products", responses=serializer_of(ProductBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = catalog_selectors.products(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.product(row) for row in page or ()])

    @extend_schema(summary="Show a product", responses=serializer_of(ProductBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(representation.product(self._product(pk)))

    @extend_schema(
        summary="Create a product",
        request=NewProductSerializer,
        responses={201: serializer_of(ProductBody)},
    )
    def create(self, request: Request) -> Response:
        """Creates the product at Stripe too. After a 503, send the same request again: it finishes
        the first one."""
        body = self.parse_body(NewProductSerializer)
        row = catalog.create_product(
            project=self.calling_project,
            request=ProductRequest(
                **{
                    **body,
                    "features": _entitlements(body["features"]),
                    "credits": _credits(body["credits"]),
                }
            ),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.product(row), status=201)

    @extend_schema(
        summary="Change a product",
        request=ProductChangeSerializer,
        responses=serializer_of(ProductBody),
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes its name, description, metadata, features, credits, policies, or whether it is on
        sale.

        A change of features or policies reaches the product's holders within seconds.
        """
        row, body = self._product(pk), self.parse_body(ProductChangeSerializer)
        features = body.pop("features", None)
        if "credits" in body:
            body["credits"] = _credits(body["credits"])
        row = catalog.change_product(
            product=row,
            request=ProductChangeRequest(
                features=None if features is None else _entitlements(features), **body
            ),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.product(row))

    def _product(self, pk: str) -> Product:
        return catalog_selectors.product(project=self.calling_project, product_id=pk)


def _credits(body: dict[str, Any] | None) -> ProductCredits:
    return NO_CREDITS if body is None else ProductCredits(**body)


def _entitlements(bodies: list[dict[str, Any]]) -> list[ProductEntitlement]:
    return [ProductEntitlement(feature=body["feature"], value=body["value"]) for body in bodies]
