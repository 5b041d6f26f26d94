"""Request bodies that change a subscription or its add-ons."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api_fields import IdField, PromotionCodeField
from billing.checkout.orders import MAX_LINES, MAX_QUANTITY
from billing.subscriptions.changes import Change, ChangeTime, Proration
from common.api.serializers import FlagField, ListField, StrictSerializer, WholeNumberField

NOW = "now"
MAX_DISCOUNTS = 20
EXCLUSIVE_FIELDS = ("cancel_at_period_end", "undo_scheduled_change")
"""Fields that must be the only one of their request."""


class AddonSerializer(StrictSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(
        min_value=0, max_value=MAX_QUANTITY, default=1, help_text="0 removes the add-on."
    )


@extend_schema_field({"anyOf": [{"type": "string", "format": "date-time"}, {"const": NOW}]})
class TrialEndField(serializers.Field[Any, Any, Any, Any]):
    """A future time, or ``"now"``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._time_field = serializers.DateTimeField()

    def to_internal_value(self, data: Any) -> Any:
        return NOW if data == NOW else self._time_field.to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        return value


class BillingSerializer(StrictSerializer):
    """When a change takes effect, and how the rest of the running period is prorated."""

    when = serializers.ChoiceField(
        choices=[choice.value for choice in ChangeTime],
        required=False,
        help_text="Left out: now if the subscription then costs at least as much as before, else "
        "at renewal.",
    )
    proration = serializers.ChoiceField(
        choices=[choice.value for choice in Proration],
        required=False,
        help_text="Only for a change that takes effect now. Left out: always_invoice.",
    )
    proration_date = serializers.DateTimeField(
        required=False, help_text="The proration_date of a preview, to be billed what it showed."
    )


class NewAddonSerializer(BillingSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, default=1)


class AddonChangeSerializer(BillingSerializer):
    price = IdField(prefix="price", required=False)
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"price", "quantity"}:
            raise serializers.ValidationError("Send a price or a quantity.")
        return attrs


class SubscriptionChangeSerializer(BillingSerializer):
    """One change. ``cancel_at_period_end`` and ``undo_scheduled_change`` are sent alone."""

    price = IdField(
        prefix="price",
        required=False,
        help_text="New price: of the same product, or of the product to change to.",
    )
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)
    addons = ListField(child=AddonSerializer(), required=False, min_length=1, max_length=MAX_LINES)
    discounts = ListField(
        child=serializers.CharField(max_length=500),
        required=False,
        max_length=MAX_DISCOUNTS,
        help_text="Coupon and promotion code ids. They replace all present discounts.",
    )
    promotion_code = PromotionCodeField(required=False)
    trial_end = TrialEndField(required=False, help_text='A future time, or "now".')
    cancel_at_period_end = FlagField(
        required=False,
        help_text="True: cancel at the end of the period. False: remove a scheduled cancellation.",
    )
    undo_scheduled_change = FlagField(
        required=False, help_text="True: remove the change that is scheduled for the renewal."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Send at least one field to change.")
        for name in EXCLUSIVE_FIELDS:
            if name in attrs and len(attrs) > 1:
                raise serializers.ValidationError({name: ["Send this alone."]})
        if attrs.get("undo_scheduled_change") is False:
            raise serializers.ValidationError(
                {"undo_scheduled_change": ["Send true, or leave it out."]}
            )
        if attrs.keys() >= {"discounts", "promotion_code"}:
            raise serializers.ValidationError(
                {"promotion_code": ["Send either discounts or promotion_code."]}
            )
        return attrs


def build_change(body: dict[str, Any], *, adds_products: bool = False) -> Change:
    """Build the service's change from a validated body.

    With ``adds_products`` an add-on that the subscription already has is refused.
    """
    when, proration = body.get("when"), body.get("proration")
    discounts = [body["promotion_code"]] if "promotion_code" in body else body.get("discounts")
    return Change(
        price=body.get("price"),
        quantity=body.get("quantity"),
        addons=[(addon["price"], addon["quantity"]) for addon in body.get("addons", ())],
        when=ChangeTime(when) if when else None,
        proration=Proration(proration) if proration else None,
        proration_date=body.get("proration_date"),
        adds_products=adds_products,
        discounts=discounts,
        trial_end=body.get("trial_end"),
    )
