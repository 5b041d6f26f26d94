"""``/carts``: collect what a user wants to buy. ``POST /checkout/cart`` sells a cart."""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField, StripeMetadataField, id_pattern
from billing.checkout import carts
from billing.checkout.carts import LONGEST_LIFETIME, SHORTEST_LIFETIME
from billing.checkout.orders import MAX_LINES, MAX_QUANTITY
from billing.checkout.representation import carts as shown
from billing.checkout.representation.carts import CartBody
from billing.checkout.selectors import carts as cart_selectors
from billing.models import Cart
from billing.models.cart import CartStatus
from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer, UserIdField, WholeNumberField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

TEAM_CART_EXAMPLE = OpenApiExample(
    "A plan and a setup fee",
    request_only=True,
    value={
        "user_id": "user-17",
        "lines": [
            {"price": "price_01j9zc3k5v8e4w2t7x6y5q4r3s", "quantity": 5},
            {"price": "price_01j9zc3m0c9d8e7f6a5b4c3d2e"},
        ],
    },
)


class CartItemSerializer(StrictSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, default=1)


class NewCartSerializer(StrictSerializer):
    user_id = UserIdField()
    lines = ListField(child=CartItemSerializer(), default=list, max_length=MAX_LINES)
    expires_in = WholeNumberField(
        min_value=int(SHORTEST_LIFETIME.total_seconds()),
        max_value=int(LONGEST_LIFETIME.total_seconds()),
        required=False,
        help_text="Seconds until the cart expires. Left out: 30 days.",
    )
    metadata = StripeMetadataField(default=dict)


class CartItemChangeSerializer(StrictSerializer):
    price = IdField(prefix="price", required=False, help_text="Another price of the product.")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Send a price, a quantity or both.")
        return attrs


class CartFilterSerializer(StrictSerializer):
    user_id = UserIdField(required=False)
    status = serializers.ChoiceField(choices=CartStatus.choices, required=False)


class CartsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CHECKOUT_READ,
        "retrieve": KeyScope.CHECKOUT_READ,
        "create": KeyScope.CHECKOUT_WRITE,
        "destroy": KeyScope.CHECKOUT_WRITE,
    }
    query = {"list": CartFilterSerializer}
    lookup_value_regex = id_pattern("cart")
    transactional = True

    @extend_schema(summary="List carts", responses=serializer_of(CartBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first. Includes expired and completed carts."""
        now = timezone.now()
        rows = cart_selectors.listing(project=self.calling_project, at=now, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([shown.cart(row, at=now) for row in page or ()])

    @extend_schema(summary="Show a cart", responses=serializer_of(CartBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._show(cart_selectors.get(project=self.calling_project, cart_id=pk))

    @extend_schema(
        summary="Create a cart",
        request=NewCartSerializer,
        responses={201: serializer_of(CartBody)},
        examples=[TEAM_CART_EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        """Creates an empty cart, or one with lines. All lines have the same currency. The recurring
        prices of a cart become one subscription: they have the same interval, and each product
        has only one of them."""
        body = self.parse_body(NewCartSerializer)
        seconds = body.get("expires_in")
        row = carts.create(
            project=self.calling_project,
            user_id=body["user_id"],
            lines=[(line["price"], line["quantity"]) for line in body["lines"]],
            lifetime=settings.BILLING.cart_life if seconds is None else timedelta(seconds=seconds),
            metadata=body["metadata"],
            at=timezone.now(),
        )
        return self._show(row, status=201)

    @extend_schema(summary="Delete a cart", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """409 `cart-frozen` while its checkout page is open, 409 `cart-closed` if it was bought."""
        row = cart_selectors.get(project=self.calling_project, cart_id=pk)
        carts.delete(cart=row, at=timezone.now())
        return Response(status=204)

    def _show(self, row: Cart, status: int = 200) -> Response:
        return Response(shown.cart(row, at=timezone.now()), status=status)


class CartItemsViewSet(ProjectViewSet):
    """The lines of one cart. Every response is the whole cart."""

    scopes: ClassVar[dict[str, str]] = {
        "create": KeyScope.CHECKOUT_WRITE,
        "partial_update": KeyScope.CHECKOUT_WRITE,
        "destroy": KeyScope.CHECKOUT_WRITE,
    }
    transactional = True

    @extend_schema(
        summary="Add a price to a cart",
        request=CartItemSerializer,
        responses={201: serializer_of(CartBody)},
    )
    def create(self, request: Request, cart_id: str) -> Response:
        """If the cart already has a line of this price, the quantity is added to it. 409
        `cart-frozen` while the cart's checkout page is open, 409 `cart-closed` if the cart was
        bought or has expired."""
        now = timezone.now()
        row = carts.add_item(
            cart=self._cart(cart_id), **self.parse_body(CartItemSerializer), at=now
        )
        return Response(shown.cart(row, at=now), status=201)

    @extend_schema(
        summary="Change a line of a cart",
        request=CartItemChangeSerializer,
        responses=serializer_of(CartBody),
    )
    def partial_update(self, request: Request, cart_id: str, line_id: str) -> Response:
        """Changes the line's quantity, or its price to another one of the same product."""
        body, now = self.parse_body(CartItemChangeSerializer), timezone.now()
        row = carts.change_line(
            cart=self._cart(cart_id),
            line_id=line_id,
            price=body.get("price"),
            quantity=body.get("quantity"),
            at=now,
        )
        return Response(shown.cart(row, at=now))

    @extend_schema(summary="Remove a line from a cart", responses={200: serializer_of(CartBody)})
    def destroy(self, request: Request, cart_id: str, line_id: str) -> Response:
        now = timezone.now()
        row = carts.remove_line(cart=self._cart(cart_id), line_id=line_id, at=now)
        return Response(shown.cart(row, at=now))

    def _cart(self, cart_id: str) -> Cart:
        return cart_selectors.get(project=self.calling_project, cart_id=cart_id)
