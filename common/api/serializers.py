"""Base serializers and field types that all resources share."""

from heapq import nsmallest
from typing import Any

from rest_framework import serializers

from common import locales
from common.api.problems import MAX_ERRORS
from common.currencies import CODES, max_amount, step
from common.money import MAX_AMOUNT

MAX_METADATA_KEYS = 50
OLD_NAMES = {"price_id": "price", "product_id": "product"}
"""Names of fields in earlier APIs, which are still accepted, and the present names."""


class StrictSerializer(serializers.Serializer[Any]):
    """Fields that are not listed here are refused. A field's old name is accepted too."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            data = self._with_present_names(data)
            unknown = set(data) - {
                name for name, field in self.fields.items() if not field.read_only
            }
            if unknown:
                errors = [serializers.ErrorDetail("This field is not known.", code="unknown")]
                names = nsmallest(MAX_ERRORS, map(str, unknown))
                raise serializers.ValidationError({name[:100]: errors for name in names})
        return super().to_internal_value(data)

    def _with_present_names(self, data: dict[Any, Any]) -> dict[Any, Any]:
        """The data with old names of fields replaced. Raises ValidationError if a field has two
        different values."""
        for old, present in OLD_NAMES.items():
            if old not in data or old in self.fields or present not in self.fields:
                continue
            if data.get(present, data[old]) != data[old]:
                message = f"It differs from {present}, which is its present name: send only that."
                raise serializers.ValidationError({old: [message]})
            data = {name: value for name, value in data.items() if name != old} | {
                present: data[old]
            }
        return data


class ListField(serializers.ListField):
    """A list with a limited length, which is checked before the items.

    At most MAX_ERRORS errors of items are reported, so that refusing a list costs no more than
    reading it.
    """

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            message = self.error_messages["max_length"].format(max_length=self.max_length)
            raise serializers.ValidationError(message, code="max_length")
        return super().to_internal_value(data)

    def run_child_validation(self, data: Any) -> list[Any]:
        items: list[Any] = []
        errors: dict[Any, Any] = {}  # by index, as REST framework has them
        count = 0
        for index, item in enumerate(data):
            try:
                items.append(self.child.run_validation(item))
            except serializers.ValidationError as error:
                errors[index] = error.detail
                count += _count_of(error.detail)
                if count >= MAX_ERRORS:
                    break
        if errors:
            raise serializers.ValidationError(errors)
        return items


def _count_of(detail: Any) -> int:
    """Number of errors in the error detail of an item."""
    if isinstance(detail, dict):
        return sum(map(_count_of, detail.values()))
    return sum(map(_count_of, detail)) if isinstance(detail, list) else 1


class WholeNumberField(serializers.IntegerField):
    """A JSON integer; strings and fractions are refused, because money is never guessed."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class FlagField(serializers.BooleanField):
    """JSON's true or false; other values are refused."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class CurrencyField(serializers.ChoiceField):
    """An ISO 4217 code in lower case, as Stripe writes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=CODES, **kwargs)


class LocaleField(serializers.CharField):
    """A BCP 47 tag; it is stored in the usual case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=locales.MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        tag = str(super().to_internal_value(data))
        try:
            return locales.normalise(tag)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class ChargeSerializer(StrictSerializer):
    """``{"amount": 2900, "currency": "usd"}`` in minor units, within the limits of a charge at
    Stripe."""

    amount = WholeNumberField(min_value=1, max_value=MAX_AMOUNT)
    currency = CurrencyField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        currency, amount = attrs["currency"], attrs["amount"]
        largest, multiple = max_amount(currency), step(currency)
        if amount > largest:
            message = f"At most {largest} minor units of {currency.upper()}."
            raise serializers.ValidationError({"amount": [message]})
        if amount % multiple:
            message = f"{currency.upper()} is charged in multiples of {multiple} minor units."
            raise serializers.ValidationError({"amount": [message]})
        return attrs


class MetadataField(serializers.DictField):
    """Up to 50 pairs of text, within Stripe's limits. Keys that start with ``tollgate`` are
    reserved."""

    child = serializers.CharField(max_length=500, allow_blank=True, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if isinstance(data, dict) and len(data) > MAX_METADATA_KEYS:
            raise serializers.ValidationError(f"At most {MAX_METADATA_KEYS} keys.")
        pairs: dict[str, str] = super().to_internal_value(data)
        for key in pairs:
            if not key or len(key) > 40 or "[" in key or "]" in key:
                raise serializers.ValidationError(
                    f"{key[:40]!r}: a key has 1 to 40 characters and no square brackets."
                )
            if key.startswith("tollgate"):
                raise serializers.ValidationError("Keys that start with 'tollgate' are reserved.")
        return pairs


class UserIdField(serializers.CharField):
    """The project's own id of its user, unchanged."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 255)
        kwargs.setdefault("help_text", "Your own id of the user.")
        super().__init__(**kwargs)


class MetadataFilterField(serializers.DictField):
    """Pairs that the metadata must contain: ``?metadata[order]=17``."""

    child = serializers.CharField(max_length=500, allow_blank=True, trim_whitespace=False)

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Pairs that it must contain, as `metadata[order]=17`.")
        super().__init__(required=False, **kwargs)
