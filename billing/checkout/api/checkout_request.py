"""The bodies of requests that open a hosted page, with examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from billing.api_fields import IdField, StripeMetadataField
from billing.checkout.checkout_requests import LONGEST_OPEN, SHORTEST_OPEN
from billing.checkout.orders import MAX_LINES, MAX_QUANTITY
from billing.checkout.return_urls import MAX_URL_LENGTH
from common.api.serializers import (
    FlagField,
    ListField,
    StrictSerializer,
    UserIdField,
    WholeNumberField,
)

SUCCESS_URL_EXAMPLE = "https://app.example.com/thanks?checkout={CHECKOUT_ID}"
PLAN_EXAMPLE = OpenApiExample(
    "A plan with a trial",
    request_only=True,
    value={
        "user_id": "user-17",
        "price": "price_01j9zc3k5v8e4w2t7x6y5q4r3s",
        "quantity": 5,
        "trial_period_days": 14,
        "trial_without_card": True,
        "success_url": SUCCESS_URL_EXAMPLE,
    },
)
ITEM_EXAMPLE = OpenApiExample(
    "One thing, at a discount",
    request_only=True,
    value={
        "user_id": "user-17",
        "price": "price_01j9zc3m0c9d8e7f6a5b4c3d2e",
        "promotion_code": "SPRING",
        "success_url": SUCCESS_URL_EXAMPLE,
    },
)
CART_EXAMPLE = OpenApiExample(
    "A cart",
    request_only=True,
    value={"cart": "cart_01j9zc3p4r5s6t7v8w9x0y1z2a", "success_url": SUCCESS_URL_EXAMPLE},
)


class LineSerializer(StrictSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, default=1)


class PageSerializer(StrictSerializer):
    """Fields of every request for a hosted page."""

    success_url = serializers.CharField(
        max_length=MAX_URL_LENGTH,
        help_text="Address to which the page sends the buyer after the payment. {CHECKOUT_ID} in "
        "it is replaced with the checkout's id.",
    )
    cancel_url = serializers.CharField(
        max_length=MAX_URL_LENGTH,
        allow_blank=True,
        default="",
        help_text="Address of the page's back link.",
    )
    allow_promotion_codes = FlagField(
        default=False,
        help_text="True: the buyer may type a promotion code on the page. Only for projects with a "
        "Stripe account of their own.",
    )
    promotion_code = serializers.CharField(
        max_length=500,
        required=False,
        help_text="Id of a promotion code (promo_…), or the code that buyers type.",
    )
    coupon = IdField(prefix="cpn", required=False)
    automatic_tax = FlagField(
        required=False, help_text="Left out: the project's setting automatic_tax."
    )
    tax_id_collection = FlagField(
        required=False,
        help_text="True: the page asks for tax ids. Left out: the project's setting automatic_tax.",
    )
    save_payment_method = FlagField(
        default=False,
        help_text="True: save the payment method for later payments. A subscription always does.",
    )
    expires_in = WholeNumberField(
        min_value=int(SHORTEST_OPEN.total_seconds()),
        max_value=int(LONGEST_OPEN.total_seconds()),
        required=False,
        help_text="Seconds until the page closes: 30 minutes to 24 hours. Left out: 24 hours.",
    )
    metadata = StripeMetadataField(default=dict)


class BuyerSerializer(StrictSerializer):
    """The user who buys, by your own id of the user."""

    user_id = UserIdField()
    email = serializers.EmailField(
        max_length=254,
        required=False,
        allow_blank=True,
        help_text="Email address of the user. Stored only if none is stored yet. An empty text "
        "counts as left out.",
    )
    name = serializers.CharField(
        max_length=255,
        required=False,
        allow_blank=True,
        help_text="Name of the user. Stored only if none is stored yet. An empty text counts as "
        "left out.",
    )


class TrialSerializer(StrictSerializer):
    """The trial of a new subscription."""

    trial_period_days = WholeNumberField(min_value=1, max_value=730, required=False)
    trial_without_card = FlagField(
        default=False, help_text="True: the trial starts without a payment method."
    )
    trial_end_behavior = serializers.ChoiceField(
        choices=["cancel", "pause", "create_invoice"],
        required=False,
        help_text="What Stripe does when the trial ends without a payment method.",
    )


class NewItemCheckoutSerializer(BuyerSerializer, PageSerializer):
    """One ``price`` with its ``quantity``, or several ``lines``."""

    price = IdField(prefix="price", required=False)
    quantity = WholeNumberField(
        min_value=1, max_value=MAX_QUANTITY, required=False, help_text="Left out: 1."
    )
    lines = ListField(
        child=LineSerializer(), required=False, allow_empty=False, max_length=MAX_LINES
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        price, lines = attrs.pop("price", None), attrs.pop("lines", None)
        quantity = attrs.pop("quantity", None)
        if price is not None and lines is not None:
            raise serializers.ValidationError({"price": ["Send either price or lines."]})
        if price is None and quantity is not None:
            raise serializers.ValidationError({"quantity": ["Send it only together with price."]})
        pairs = [(price, quantity or 1)] if price is not None else None
        attrs["lines"] = pairs or [(line["price"], line["quantity"]) for line in lines or ()]
        return attrs


class NewSubscriptionCheckoutSerializer(TrialSerializer, NewItemCheckoutSerializer):
    """Recurring prices: one ``price`` with its ``quantity``, or several ``lines``, and a trial."""


class NewCartCheckoutSerializer(TrialSerializer, PageSerializer):
    """A ``cart``, which has the user and the lines."""

    cart = IdField(prefix="cart")


class NewCheckoutSerializer(NewSubscriptionCheckoutSerializer):
    """A ``price``, ``lines`` or a ``cart``. Tollgate detects the type of the checkout from them."""

    user_id = UserIdField(
        required=False, help_text="Your own id of the user. Leave it out with a cart."
    )
    cart = IdField(prefix="cart", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "cart" not in attrs and "user_id" not in attrs:
            raise serializers.ValidationError({"user_id": ["This field is required."]})
        return super().validate(attrs)
