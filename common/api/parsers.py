"""Strict JSON parsing: anything that PostgreSQL or another reader cannot store is answered 400."""

import math
import re
from collections.abc import Mapping
from email.message import Message
from json import JSONDecodeError, JSONDecoder
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import JSONParser

MAX_BODY = 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Of all objects and lists together; a thousand usage records have a tenth of it."""
MAX_INTEGER = 2**63 - 1
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^"\[\]{}]+', re.DOTALL)


class BodyTooLarge(APIException):
    status_code = 413
    default_detail = "The body may have at most 1 MiB."


class BodyTooSlow(APIException):
    status_code = 408
    default_detail = "The body did not arrive in time. Send it again over a faster connection."


def _no_constant(name: str) -> Any:
    raise ParseError(f"{name} is not JSON.")


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > MAX_INTEGER:
        raise ParseError("A number is outside the range of a 64-bit integer.")
    return number


def _finite(digits: str) -> float:
    if len(digits) > 100 or not math.isfinite(number := float(digits)):
        raise ParseError("A number is too large for a 64-bit float.")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ParseError("A member appears twice in one object.")
    return members


_decoder = JSONDecoder(
    parse_constant=_no_constant,
    parse_int=_integer,
    parse_float=_finite,
    object_pairs_hook=_unique,
)


def decode(body: bytes) -> Any:
    """Decode strict JSON: UTF-8, depth ≤ 64, 64-bit integers, finite numbers, no NUL or lone
    surrogate.

    Raises:
        ParseError: with the reason.
        BodyTooLarge: above 1 MiB.
    """
    if len(body) > MAX_BODY:
        raise BodyTooLarge
    try:
        text = body.decode("utf-8")
        _refuse_many_values(text)
        _refuse_depth(text)
        value = _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    except JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error}.") from error
    _refuse_unstorable(value)
    return value


def _refuse_depth(text: str) -> None:
    """Check the depth before decoding, which is recursive: Python's own limit would crash the
    request."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _NO_BRACKETS.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ParseError("The body is nested more than 64 levels deep.")


def _refuse_many_values(text: str) -> None:
    """Count values before decoding: a million empty objects take longer to decode than to send."""
    if text.count(",") < MAX_VALUES:
        return
    if _TEXT.sub("", text).count(",") >= MAX_VALUES:
        raise ParseError("The body holds more than 100,000 values.")


def _refuse_unstorable(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value or not _is_encodable(value):
            raise ParseError("Text may not hold NUL characters or lone surrogates.")
    elif isinstance(value, dict):
        for key, member in value.items():
            _refuse_unstorable(key)
            _refuse_unstorable(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_unstorable(member)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class StrictJSONParser(JSONParser):
    """REST framework's parser, based on :func:`decode`."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        _refuse_charset(media_type or "")
        return decode(stream.read(MAX_BODY + 1))


def _refuse_charset(media_type: str) -> None:
    """Refuse other charsets: JSON is UTF-8 (RFC 8259, 8.1)."""
    message = Message()
    message["Content-Type"] = media_type
    charset = message.get_param("charset", "utf-8")
    if str(charset).lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(media_type, "Send JSON as UTF-8.")
