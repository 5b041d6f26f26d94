"""The body of ``POST /payments``: its fields, checks and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from billing.api_fields import MAX_PAIRS
from billing.checkout.api.checkout_request import SUCCESS_URL_EXAMPLE, NewCheckoutSerializer
from billing.checkout.return_urls import MAX_URL_LENGTH
from billing.models.payment import PaymentType
from billing.payments.payment_methods import DEFAULT
from billing.payments.payment_requests import PaymentRequest
from billing.stripe import workflow_ids
from common.api.serializers import ChargeSerializer, FlagField, WholeNumberField

MIN_EXPIRES_IN_SECONDS, MAX_EXPIRES_IN_SECONDS = 60, 30 * 86_400
PAGE_DEFAULTS = {
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
"""Fields that only a hosted page takes, with the value that means the field was left out."""
INTENT_EXAMPLE = OpenApiExample(
    "An amount, confirmed by your own front end",
    request_only=True,
    value={
        "type": "intent",
        "user_id": "user-17",
        "amount": {"amount": 2900, "currency": "usd"},
        "reference": "order-4711",
        "workflow_id": "order-4711",
        "expires_in": 86_400,
    },
)
OFF_SESSION_EXAMPLE = OpenApiExample(
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
PAGE_EXAMPLE = OpenApiExample(
    "A price, on a hosted page",
    request_only=True,
    value={
        "user_id": "user-17",
        "price": "price_01j9zc3m0c9d8e7f6a5b4c3d2e",
        "reference": "order-991",
        "success_url": SUCCESS_URL_EXAMPLE,
    },
)


class WorkflowIdField(serializers.CharField):
    """The id of a workflow, unchanged."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=workflow_ids.MAX_LENGTH, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = str(super().to_internal_value(data))
        if not workflow_ids.is_valid(value):
            raise serializers.ValidationError(
                "Send printable characters, without spaces at the beginning and the end."
            )
        return value


class NewPaymentSerializer(NewCheckoutSerializer):
    """Send exactly one of ``amount``, ``price``, ``lines`` and ``cart``."""

    type = serializers.ChoiceField(
        choices=PaymentType.choices,
        required=False,
        help_text="Left out: Tollgate detects it. The response contains it.",
    )
    amount = ChargeSerializer(required=False, help_text="Only for the type intent.")
    reference = serializers.CharField(
        max_length=255,
        required=False,
        help_text="Your own name of this payment, such as an order id. A reference names the same "
        "payment for ever.",
    )
    description = serializers.CharField(
        max_length=500, required=False, help_text="Shown to the buyer. Only for the type intent."
    )
    workflow_id = WorkflowIdField(
        required=False,
        help_text="Id of the Temporal workflow that gets the signal PaymentConfirmed when the "
        "payment is paid, PaymentExpired when it expires. It lives in your project's "
        "`workflow_namespace`; without one nothing is signaled.",
    )
    expires_in = WholeNumberField(
        min_value=MIN_EXPIRES_IN_SECONDS,
        max_value=MAX_EXPIRES_IN_SECONDS,
        required=False,
        help_text="Seconds until Tollgate cancels the unpaid payment: a minute to 30 days; with a "
        "hosted page at most a day.",
    )
    off_session = FlagField(
        default=False, help_text="True: charge a saved payment method now, without the buyer."
    )
    payment_method = serializers.CharField(
        max_length=255,
        required=False,
        help_text="`default` (also when left out), or an id that "
        "GET /customers/{user_id}/payment-methods lists. Only with off_session.",
    )
    success_url = serializers.CharField(
        max_length=MAX_URL_LENGTH,
        required=False,
        help_text="Address to which the hosted page sends the buyer after the payment. "
        "{CHECKOUT_ID} in it is replaced with the checkout's id.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "workflow_id" in attrs and len(attrs["metadata"]) >= MAX_PAIRS:
            message = f"At most {MAX_PAIRS - 1} keys together with workflow_id."
            raise serializers.ValidationError({"metadata": [message]})
        if attrs["off_session"]:
            attrs.setdefault("payment_method", DEFAULT)
            if attrs["save_payment_method"]:
                raise serializers.ValidationError(
                    {"save_payment_method": ["Not with off_session: the method is saved already."]}
                )
        elif "payment_method" in attrs:
            raise serializers.ValidationError(
                {"payment_method": ["Send it only together with off_session."]}
            )
        return attrs


def build_payment_request(body: dict[str, Any]) -> PaymentRequest:
    """Build the service's request value from a validated body."""
    money = body.pop("amount", None) or {"amount": None, "currency": ""}
    page_fields = {name: body.pop(name) for name in PAGE_DEFAULTS if name in body}
    page = {name: value for name, value in page_fields.items() if value != PAGE_DEFAULTS[name]}
    return PaymentRequest(**body, amount=money["amount"], currency=money["currency"], page=page)
