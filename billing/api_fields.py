"""Input fields that several resources of billing share."""

from typing import Any

from rest_framework import serializers

from common.api.serializers import MetadataField
from common.ids import is_id

MAX_PAIRS = 49
"""Stripe stores 50 pairs; one of them is ours and names our row."""


class StripeMetadataField(MetadataField):
    """Up to 49 pairs of text, stored with the object at Stripe. Values must not be empty."""

    child = serializers.CharField(max_length=500, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        pairs = super().to_internal_value(data)
        if len(pairs) > MAX_PAIRS:
            raise serializers.ValidationError(f"At most {MAX_PAIRS} keys.")
        return pairs


class PromotionCodeField(serializers.CharField):
    """A promotion code or its id. A coupon's id is refused: buyers must not choose coupons."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 500)
        kwargs.setdefault("help_text", "The promotion code as the buyer types it, or its id.")
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = str(super().to_internal_value(data))
        if is_id(value, "cpn"):
            raise serializers.ValidationError("No such promotion code.")
        return value


class IdField(serializers.CharField):
    """One of our ids. Stripe's ids are refused."""

    def __init__(self, *, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        kwargs.setdefault("max_length", 40)
        kwargs.setdefault("help_text", f"Our id, {prefix}_…")
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = str(super().to_internal_value(data))
        if not is_id(value, self.prefix):
            raise serializers.ValidationError(f"Send one of our ids, such as {self.prefix}_01j9….")
        return value


def id_pattern(prefix: str) -> str:
    """Pattern of an id in a URL path; any other path answers 404."""
    return rf"{prefix}_[0-9a-z]{{26}}"
