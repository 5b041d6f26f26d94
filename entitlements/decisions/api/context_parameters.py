"""Evaluate a check at another time (``at``) or with assumed purchases and grants (``assume``)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from rest_framework import serializers

from common.api.serializers import FlagField, ListField, StrictSerializer
from entitlements.api_fields import FeatureValueField
from entitlements.decisions.assumptions import Assumption
from entitlements.decisions.selectors import assumed
from entitlements.resolution.evaluation_context import EvaluationContext
from projects.models import Project

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
MOST_ASSUMED = 10
GRANT = "grant:"


class MomentField(serializers.DateTimeField):
    """A time in the years 2000 to 2199."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "The answer at this time: as it was, or as is scheduled.")
        super().__init__(**kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = super().to_internal_value(value).astimezone(UTC)
        except (OverflowError, ValueError):
            moment = LATEST
        if not EARLIEST <= moment < LATEST:
            raise serializers.ValidationError("Send a moment of the years 2000 to 2199.")
        return moment


class AssumptionSerializer(StrictSerializer):
    """A product, a price, or a feature with a value. The check is evaluated as if the user had
    it."""

    product = serializers.CharField(max_length=40, required=False)
    price = serializers.CharField(max_length=40, required=False)
    feature = serializers.CharField(max_length=64, required=False, help_text="The feature's code.")
    value = FeatureValueField(required=False, help_text="Only with `feature`. If absent: true.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = attrs.keys() - {"value"}
        if len(named) != 1 or ("value" in attrs and named != {"feature"}):
            raise serializers.ValidationError(
                "Send product, price, or feature with a value if it is not true."
            )
        return attrs


class AssumedField(serializers.CharField):
    """An assumption in a query: ``prod_…``, ``price_…``, ``grant:sso`` or ``grant:seats=25``."""

    def to_internal_value(self, data: Any) -> list[Assumption]:  # type: ignore[override]
        text = super().to_internal_value(data)
        if not text.startswith(GRANT):
            return [Assumption(object_id=text)]
        code, is_valued, value = text.removeprefix(GRANT).partition("=")
        try:
            return [Assumption(feature=code, value=orjson.loads(value) if is_valued else True)]
        except orjson.JSONDecodeError as error:
            raise serializers.ValidationError("Write the value as JSON.") from error


class OutlookQuerySerializer(StrictSerializer):
    """The evaluation context as query parameters."""

    at = MomentField(required=False)
    assume = AssumedField(
        required=False,
        max_length=4096,
        help_text="Evaluate as if the user had this: a product (prod_…), a price (price_…), or a "
        "grant (grant:sso, grant:seats=25).",
    )
    explain = serializers.BooleanField(
        required=False, help_text="True: include how the decision follows from the facts."
    )


class OutlookBodySerializer(StrictSerializer):
    """The evaluation context in a JSON body."""

    at = MomentField(required=False)
    assume = ListField(child=AssumptionSerializer(), required=False, max_length=MOST_ASSUMED)
    explain = FlagField(
        required=False, help_text="True: include how each decision follows from the facts."
    )


def evaluation_context(
    project: Project, parameters: Mapping[str, Any], *, now: datetime
) -> EvaluationContext:
    """The time and the assumptions to decide with. Raises Invalid for an impossible assumption."""
    at = parameters.get("at", now)
    assumptions = [_assumption(each) for each in parameters.get("assume", ())]
    return EvaluationContext(at=at, now=now, assumed_facts=_facts(project, assumptions, at))


def is_plain(parameters: Mapping[str, Any]) -> bool:
    """Whether the request wants the decision of now, without assumptions and explanation."""
    return not (parameters.get("explain") or "at" in parameters or parameters.get("assume"))


def _assumption(values: Assumption | Mapping[str, Any]) -> Assumption:
    if isinstance(values, Assumption):
        return values
    if "feature" in values:
        return Assumption(feature=values["feature"], value=values.get("value", True))
    return Assumption(object_id=values.get("product") or values["price"])


def _facts(project: Project, assumptions: Sequence[Assumption], at: datetime) -> list[Any]:
    return assumed.facts(project=project, assumed=assumptions, at=at) if assumptions else []
