"""What a request to take money may say."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from billing.checkout.api.checkout_request import THANKS, NewCheckoutSerializer
from billing.checkout.return_urls import MAX_URL_LENGTH as LONGEST_URL
from billing.models.payment import PaymentType
from billing.payments.payment_methods import DEFAULT
from billing.payments.payment_requests import PaymentRequest
from common.api.serializers import ChargeSerializer, FlagField, WholeNumberField

SHORTEST, LONGEST = 60, 30 * 86_400
"""Seconds that a payment may be given."""
PAGE = {
    "success_url": "",
    "cancel_url": "",
    "email": "",
    "name": "",
    "trial_period_days": None,
    "trial_without_card": False,
    "trial_end_behavior": "",
    "allow_promotion_codes": False,
    "promotion_code": "",
    "coupon": "",
    "automatic_tax": None,
    "tax_id_collection": None,
}
"""What only a hosted page is told, and what says nothing."""
BY_YOURSELF = OpenApiExample(
    "An amount, confirmed by your own front end",
    request_only=True,
    value={
        "type": "intent",
        "user_id": "user-17",
        "amount": {"amount": 2900, "currency": "usd"},
        "reference": "workflow-4711",
        "expires_in": 86_400,
    },
)
AWAY = OpenApiExample(
    "An amount, charged to a saved method",
    request_only=True,
    value={
        "user_id": "user-17",
        "amount": {"amount": 2900, "currency": "usd"},
        "off_session": True,
        "payment_method": "default",
        "reference": "usage-2026-11",
    },
)
ON_A_PAGE = OpenApiExample(
    "A price, on a hosted page",
    request_only=True,
    value={
        "user_id": "user-17",
        "price": "price_01j9zc3m0c9d8e7f6a5b4c3d2e",
        "reference": "order-991",
        "success_url": THANKS,
    },
)


class NewPaymentSerializer(NewCheckoutSerializer):
    """An ``amount``, or what a checkout takes: a ``price``, ``lines`` or a ``cart``."""

    type = serializers.ChoiceField(
        choices=PaymentType.choices,
        required=False,
        help_text="Detected when left out, and told in the answer.",
    )
    amount = ChargeSerializer(required=False, help_text="For the type intent.")
    reference = serializers.CharField(
        max_length=255,
        required=False,
        help_text="Your own name of this payment, such as an order id: one payment for life.",
    )
    description = serializers.CharField(
        max_length=500, required=False, help_text="The buyer sees it with the type intent."
    )
    expires_in = WholeNumberField(
        min_value=SHORTEST,
        max_value=LONGEST,
        required=False,
        help_text="Seconds until it is called off, a minute to 30 days; with a page, to a day.",
    )
    off_session = FlagField(default=False, help_text="Charge a saved method now.")
    payment_method = serializers.CharField(
        max_length=255,
        required=False,
        help_text="`default` (when left out) or an id of /customers/{user_id}/payment-methods.",
    )
    success_url = serializers.CharField(
        max_length=LONGEST_URL,
        required=False,
        help_text="Where the buyer goes after paying on the page; {CHECKOUT_ID} becomes the "
        "checkout's id.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if attrs["off_session"]:
            attrs.setdefault("payment_method", DEFAULT)
            if attrs["save_payment_method"]:
                raise serializers.ValidationError(
                    {"save_payment_method": ["The method is saved already."]}
                )
        elif "payment_method" in attrs:
            raise serializers.ValidationError({"payment_method": ["Only with off_session."]})
        return attrs


def payment_request(body: dict[str, Any]) -> PaymentRequest:
    """The validated body in the words of the service."""
    money = body.pop("amount", None) or {"amount": None, "currency": ""}
    given = {name: body.pop(name) for name in PAGE if name in body}
    page = {name: value for name, value in given.items() if value != PAGE[name]}
    return PaymentRequest(**body, amount=money["amount"], currency=money["currency"], page=page)
