"""The value of a usage record in API requests."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class ValueField(serializers.Field[Any, Any, Any, Any]):
    """A whole number, or for a ``unique`` meter the text whose different values it counts."""

    default_error_messages = {"invalid": "A whole number, or text for a meter that counts values."}

    def to_internal_value(self, data: Any) -> int | str:
        if type(data) not in (int, str):
            self.fail("invalid")
        value: int | str = data
        return value

    def to_representation(self, value: Any) -> Any:
        return value
