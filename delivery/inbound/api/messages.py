"""Read messages of an auth service: strict about types, and deaf to what is unknown."""

from typing import Any

from rest_framework import serializers

from common.api import parsers
from common.api.serializers import LocaleField, UserIdField, WholeNumberField
from common.ids import is_id
from delivery.bus.readers import StreamEntry, StreamMessage
from delivery.inbound import selectors
from delivery.inbound.shared_stream import FIELD
from delivery.inbound.user_messages import AddressedMessage, UserEvent, UserMessage

MAX_VERSION = 2**63 - 1
MAX_ID = 128
"""Characters of a message's own id."""


TYPES = frozenset(event.value for event in UserEvent)


class _Text(serializers.CharField):
    """A JSON string; numbers are refused. Null removes the value."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class _UserId(UserIdField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        user_id = str(super().to_internal_value(data))
        if is_id(user_id, "cus"):
            raise serializers.ValidationError("This has the form of our own ids of customers.")
        return user_id


class _Email(serializers.EmailField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class _Locale(LocaleField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class UserStateSerializer(serializers.Serializer[Any]):
    user_id = _UserId()
    version = WholeNumberField(min_value=0, max_value=MAX_VERSION)
    email = _Email(max_length=254, allow_blank=True, allow_null=True, required=False)
    name = _Text(max_length=255, allow_blank=True, allow_null=True, required=False)
    locale = _Locale(allow_blank=True, allow_null=True, required=False)


class UserMessageSerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    data = UserStateSerializer()  # type: ignore[assignment]  # a field, not the property


class StreamMessageSerializer(UserMessageSerializer):
    """In a stream, a message names itself and its project."""

    id = _Text(max_length=MAX_ID)
    project = _Text(max_length=50)


class _TypeSerializer(serializers.Serializer[Any]):
    type = _Text(max_length=255)


def parse_request(body: bytes) -> UserMessage | None:
    """The message in the body of a request; None for one of a type that is not about users. Raises
    ParseError and ValidationError."""
    checked = _validate(_decode(body), UserMessageSerializer)
    return None if checked is None else _build(checked)


def parse_entry(entry: StreamEntry) -> StreamMessage:
    """A message of a shared stream; one without content if it is not about users.

    Raises KeyError, ParseError and ValidationError for what is no message.
    """
    checked = _validate(_decode(entry.fields[FIELD].encode()), StreamMessageSerializer)
    if checked is None:
        return StreamMessage(f"{entry.entry_id} of another type", lane="", content=None)
    message, name = _build(checked), checked["project"]
    lane = selectors.digest_of(project_id=name, user_id=message.user_id)
    return StreamMessage(f"{name}:{checked['id']}", lane, AddressedMessage(name, message))


def _decode(body: bytes) -> dict[str, Any]:
    value = parsers.decode(body)
    if not isinstance(value, dict):
        raise serializers.ValidationError("A message is a JSON object.")
    return value


def _validate(
    members: dict[str, Any], serializer: type[serializers.Serializer[Any]]
) -> dict[str, Any] | None:
    """The checked members; None for a message of another type."""
    kind = _TypeSerializer(data=members)
    kind.is_valid(raise_exception=True)
    if kind.validated_data["type"] not in TYPES:
        return None
    checked = serializer(data=members)
    checked.is_valid(raise_exception=True)
    return {**checked.validated_data, "type": kind.validated_data["type"]}


def _build(checked: dict[str, Any]) -> UserMessage:
    state = dict(checked["data"])
    return UserMessage(
        event=UserEvent(checked["type"]),
        user_id=state.pop("user_id"),
        version=state.pop("version"),
        details={name: value or "" for name, value in state.items()},
    )
