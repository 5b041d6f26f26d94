"""Serializer base classes and the field types that every resource shares."""

from typing import Any

from rest_framework import serializers

from common.currencies import CODES


class StrictSerializer(serializers.Serializer[Any]):
    """Input that refuses what it does not know, instead of ignoring it."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = set(data) - {
                name for name, field in self.fields.items() if not field.read_only
            }
            if unknown:
                raise serializers.ValidationError(
                    {
                        str(name)[:100]: [
                            serializers.ErrorDetail("This field is not known.", code="unknown")
                        ]
                        for name in sorted(unknown, key=str)
                    }
                )
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON integer. No text, no fraction, no digits of other scripts: money is never guessed."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class FlagField(serializers.BooleanField):
    """JSON's true or false, and nothing that merely looks like one."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class CurrencyField(serializers.ChoiceField):
    """An ISO 4217 code in lower case, as Stripe writes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=CODES, **kwargs)


class MoneySerializer(serializers.Serializer[Any]):
    """``{"amount": 2900, "currency": "usd"}``, in minor units."""

    amount = serializers.IntegerField(help_text="Minor units: cents, yen, fils.")
    currency = serializers.CharField(help_text="ISO 4217, lower case.")


class MetadataField(serializers.DictField):
    """Up to 50 pairs of text, within Stripe's limits. ``tollgate`` keys are reserved."""

    child = serializers.CharField(max_length=500, allow_blank=True, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        pairs: dict[str, str] = super().to_internal_value(data)
        if len(pairs) > 50:
            raise serializers.ValidationError("At most 50 keys.")
        for key in pairs:
            if not key or len(key) > 40 or "[" in key or "]" in key:
                raise serializers.ValidationError(
                    f"{key[:40]!r}: a key has 1 to 40 characters and no square brackets."
                )
            if key.startswith("tollgate"):
                raise serializers.ValidationError("Keys that start with 'tollgate' are reserved.")
        return pairs


class UserIdField(serializers.CharField):
    """The project's own id of its user, as it wrote it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 255)
        kwargs.setdefault("help_text", "Your own id of the user.")
        super().__init__(**kwargs)
