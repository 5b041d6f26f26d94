"""What a request for a hosted page may say."""

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

THANKS = "https://app.example.com/thanks?checkout={CHECKOUT_ID}"
PLAN = OpenApiExample(
    "A plan with a trial",
    request_only=True,
    value={
        "user_id": "user-17",
        "price": "price_01j9zc3k5v8e4w2t7x6y5q4r3s",
        "quantity": 5,
        "trial_period_days": 14,
        "trial_without_card": True,
        "success_url": THANKS,
    },
)
ITEM = OpenApiExample(
    "One thing, at a discount",
    request_only=True,
    value={
        "user_id": "user-17",
        "price": "price_01j9zc3m0c9d8e7f6a5b4c3d2e",
        "promotion_code": "SPRING",
        "success_url": THANKS,
    },
)
CART = OpenApiExample(
    "A cart",
    request_only=True,
    value={"cart": "cart_01j9zc3p4r5s6t7v8w9x0y1z2a", "success_url": THANKS},
)


class LineSerializer(StrictSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, default=1)


class PageSerializer(StrictSerializer):
    """What any hosted page may be told."""

    success_url = serializers.CharField(
        max_length=MAX_URL_LENGTH,
        help_text="Where the buyer goes after paying; {CHECKOUT_ID} becomes the checkout's id.",
    )
    cancel_url = serializers.CharField(
        max_length=MAX_URL_LENGTH,
        allow_blank=True,
        default="",
        help_text="Where the way back leads.",
    )
    allow_promotion_codes = FlagField(
        default=False,
        help_text="Whether the buyer may type a promotion code; only in your own Stripe account.",
    )
    promotion_code = serializers.CharField(
        max_length=500, required=False, help_text="Our id of a promotion code, or its text."
    )
    coupon = IdField(prefix="cpn", required=False)
    automatic_tax = FlagField(required=False, help_text="What the project says when left out.")
    tax_id_collection = FlagField(
        required=False, help_text="What the project's automatic_tax says when left out."
    )
    save_payment_method = FlagField(
        default=False, help_text="Keep it for later; a subscription always does."
    )
    expires_in = WholeNumberField(
        min_value=int(SHORTEST_OPEN.total_seconds()),
        max_value=int(LONGEST_OPEN.total_seconds()),
        required=False,
        help_text="Seconds until the page closes, 30 minutes to 24 hours (when left out).",
    )
    metadata = StripeMetadataField(default=dict)


class BuyerSerializer(StrictSerializer):
    """Whose page it is, by the tenant's own id."""

    user_id = UserIdField()
    email = serializers.EmailField(
        max_length=254,
        required=False,
        allow_blank=True,
        help_text="Of the user, if we do not know it yet. Empty is as if it were left out.",
    )
    name = serializers.CharField(
        max_length=255,
        required=False,
        allow_blank=True,
        help_text="As `email`.",
    )


class TrialSerializer(StrictSerializer):
    """How a subscription may begin."""

    trial_period_days = WholeNumberField(min_value=1, max_value=730, required=False)
    trial_without_card = FlagField(
        default=False, help_text="Whether the trial begins without a payment method."
    )
    trial_end_behavior = serializers.ChoiceField(
        choices=["cancel", "pause", "create_invoice"],
        required=False,
        help_text="When the trial ends and there is no payment method; Stripe's words.",
    )


class NewItemCheckoutSerializer(BuyerSerializer, PageSerializer):
    """One ``price`` with its ``quantity``, or several ``lines``."""

    price = IdField(prefix="price", required=False)
    quantity = WholeNumberField(
        min_value=1, max_value=MAX_QUANTITY, required=False, help_text="1 when left out."
    )
    lines = ListField(
        child=LineSerializer(), required=False, allow_empty=False, max_length=MAX_LINES
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        one, many = attrs.pop("price", None), attrs.pop("lines", None)
        quantity = attrs.pop("quantity", None)
        if one is not None and many is not None:
            raise serializers.ValidationError({"price": ["Send either price or lines."]})
        if one is None and quantity is not None:
            raise serializers.ValidationError({"quantity": ["It belongs to a price."]})
        pairs = [(one, quantity or 1)] if one is not None else None
        attrs["lines"] = pairs or [(each["price"], each["quantity"]) for each in many or ()]
        return attrs


class NewSubscriptionCheckoutSerializer(TrialSerializer, NewItemCheckoutSerializer):
    """As for items; a subscription may begin with a trial."""


class NewCartCheckoutSerializer(TrialSerializer, PageSerializer):
    """A cart knows its user and its lines."""

    cart = IdField(prefix="cart")


class NewCheckoutSerializer(NewSubscriptionCheckoutSerializer):
    """A ``price``, ``lines`` or a ``cart``: what is sold decides the type."""

    user_id = UserIdField(required=False, help_text="Your own id of the user; a cart knows it.")
    cart = IdField(prefix="cart", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "cart" not in attrs and "user_id" not in attrs:
            raise serializers.ValidationError({"user_id": ["This field is required."]})
        return super().validate(attrs)
