"""The request field for the value of a feature."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.bodies import ANY_JSON
from entitlements.resolution.facts import Reason
from entitlements.resolution.kinds import VALUE_HELP

REASONS = [reason.value for reason in Reason]


@extend_schema_field(ANY_JSON)
class FeatureValueField(serializers.Field[Any, Any, Any, Any]):
    """A feature's value in a request. The service checks that the feature's kind allows it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        kwargs.setdefault("help_text", VALUE_HELP)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value
