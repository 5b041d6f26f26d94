"""What subscriptions look like in answers, and what a change of one may say."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api_fields import IdField, PromotionCodeField
from billing.checkout.orders import MAX_LINES, MAX_QUANTITY
from billing.subscriptions.changes import Change, ChangeTime, Proration
from common.api.serializers import FlagField, ListField, StrictSerializer, WholeNumberField

NOW = "now"
MAX_DISCOUNTS = 20
TOGETHER = ("cancel_at_period_end", "undo_scheduled_change")
"""What is asked for alone, never with other changes."""


class AddonSerializer(StrictSerializer):
    price = IdField(prefix="price")
    quantity = WholeNumberField(
        min_value=0, max_value=MAX_QUANTITY, default=1, help_text="0 takes it away."
    )


@extend_schema_field({"anyOf": [{"type": "string", "format": "date-time"}, {"const": NOW}]})
class TrialEndField(serializers.Field[Any, Any, Any, Any]):
    """A time to come, or ``"now"``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._moment = serializers.DateTimeField()

    def to_internal_value(self, data: Any) -> Any:
        return NOW if data == NOW else self._moment.to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        return value


class BillingSerializer(StrictSerializer):
    """When a change takes effect, and what becomes of the running period's difference."""

    when = serializers.ChoiceField(
        choices=[each.value for each in ChangeTime],
        required=False,
        help_text="Left out: now if it costs at least as much as before, else at renewal.",
    )
    proration = serializers.ChoiceField(
        choices=[each.value for each in Proration],
        required=False,
        help_text="Of a change now; always_invoice if left out.",
    )
    proration_date = serializers.DateTimeField(required=False, help_text="From a preview.")


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
    """One change; cancelling and taking back stand alone."""

    price = IdField(
        prefix="price", required=False, help_text="Of this product, or of the plan to change to."
    )
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)
    addons = ListField(child=AddonSerializer(), required=False, min_length=1, max_length=MAX_LINES)
    discounts = ListField(
        child=serializers.CharField(max_length=500),
        required=False,
        max_length=MAX_DISCOUNTS,
        help_text="Coupon and promotion code ids that replace those there are.",
    )
    promotion_code = PromotionCodeField(required=False)
    trial_end = TrialEndField(required=False, help_text='A time to come, or "now".')
    cancel_at_period_end = FlagField(
        required=False, help_text="False takes back a cancellation that has not taken effect."
    )
    undo_scheduled_change = FlagField(
        required=False, help_text="True: go on as it is when the next period begins."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Say what to change.")
        for name in TOGETHER:
            if name in attrs and len(attrs) > 1:
                raise serializers.ValidationError({name: ["Send this alone."]})
        if attrs.get("undo_scheduled_change") is False:
            raise serializers.ValidationError({"undo_scheduled_change": ["Only true is asked."]})
        if attrs.keys() >= {"discounts", "promotion_code"}:
            raise serializers.ValidationError({"promotion_code": ["Not with discounts."]})
        return attrs


def change(said: dict[str, Any], *, adds: bool = False) -> Change:
    """What a validated body asks for; with ``adds`` its add-ons are not there yet."""
    when, proration = said.get("when"), said.get("proration")
    discounts = [said["promotion_code"]] if "promotion_code" in said else said.get("discounts")
    return Change(
        price=said.get("price"),
        quantity=said.get("quantity"),
        addons=[(each["price"], each["quantity"]) for each in said.get("addons", ())],
        when=ChangeTime(when) if when else None,
        proration=Proration(proration) if proration else None,
        proration_date=said.get("proration_date"),
        adds=adds,
        discounts=discounts,
        trial_end=said.get("trial_end"),
    )
