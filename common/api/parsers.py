"""One gate for input: JSON that PostgreSQL and every other reader can store, or a 400."""

from collections.abc import Mapping
from json import JSONDecodeError, JSONDecoder
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

MAX_BODY = 1024 * 1024
MAX_DEPTH = 64
MAX_INTEGER = 2**63 - 1


class BodyTooLarge(APIException):
    status_code = 413
    default_detail = "The body may have at most 1 MiB."


def _no_constant(name: str) -> Any:
    raise ParseError(f"{name} is not JSON.")


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > MAX_INTEGER:
        raise ParseError("A number is outside the range of a 64-bit integer.")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ParseError("A member appears twice in one object.")
    return members


_decoder = JSONDecoder(
    parse_constant=_no_constant, parse_int=_integer, object_pairs_hook=_unique, strict=True
)


def decode(body: bytes) -> Any:
    """Strict JSON: UTF-8, depth ≤ 64, integers within 64 bits, no NUL, no lone surrogates.

    Raises:
        ParseError: with what is wrong.
        BodyTooLarge: above 1 MiB.
    """
    if len(body) > MAX_BODY:
        raise BodyTooLarge
    try:
        text = body.decode("utf-8")
        _refuse_depth(text)
        value = _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    except (JSONDecodeError, RecursionError, ValueError) as error:
        raise ParseError("The body is not JSON.") from error
    _refuse_unstorable(value)
    return value


def _refuse_depth(text: str) -> None:
    depth, inside, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif inside:
            escaped, inside = character == "\\", character != '"'
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError("The body is nested more than 64 levels deep.")
        elif character in "]}":
            depth -= 1


def _refuse_unstorable(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ParseError("Text may not hold NUL characters or lone surrogates.")
    elif isinstance(value, dict):
        for key, member in value.items():
            _refuse_unstorable(key)
            _refuse_unstorable(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_unstorable(member)


class StrictJSONParser(JSONParser):
    """REST framework's door to :func:`decode`."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return decode(stream.read(MAX_BODY + 1))
