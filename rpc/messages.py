"""Messages as the JSON values of the API, and back.

Field names are those of the API. A field that is not set is absent; a `TextList` is a list that may
be empty.
"""

from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from rest_framework.exceptions import ParseError

TIMESTAMP = "google.protobuf.Timestamp"
TEXT_LIST = "tollgate.v1.TextList"
AS_JSON = frozenset({f"google.protobuf.{name}" for name in ("Value", "Struct", "ListValue")})


def parse(message_class: type[Message], data: bytes) -> Message:
    """The message in a call. Raises ParseError for bytes that are none."""
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        raise ParseError("The message could not be decoded.") from error


def to_values(message: Message) -> dict[str, Any]:
    """The fields that are set, as JSON values. Raises ParseError for what JSON has not: an
    impossible time, a number that is none or infinite."""
    return {field.name: _field_value(field, value) for field, value in message.ListFields()}


def build(message_class: type[Message], values: dict[str, Any]) -> Message:
    """The message with these values; those that it has no field for are left out."""
    return json_format.ParseDict(values, message_class(), ignore_unknown_fields=True)


def _field_value(field: FieldDescriptor, value: Any) -> Any:
    if _is_map(field):
        return dict(value)
    if field.is_repeated:
        return [_value(field, item) for item in value]
    return _value(field, value)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is None:
        return value
    name = field.message_type.full_name
    if name == TIMESTAMP:
        return _time(value)
    if name in AS_JSON:
        return _json(value)
    if name == TEXT_LIST:
        return list(value.values)
    return to_values(value)


def _time(value: Any) -> str:
    try:
        return str(value.ToJsonString())
    except ValueError as error:
        raise ParseError("A time is outside the years 1 to 9999.") from error


def _json(value: Any) -> Any:
    try:
        return json_format.MessageToDict(value)
    except ValueError as error:
        raise ParseError("NaN and infinite numbers are no JSON.") from error
