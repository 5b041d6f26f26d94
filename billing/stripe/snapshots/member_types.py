"""Check that a snapshot's members have the types that its class declares.

Stripe's answers are external data: a string in place of a number must not reach a row.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

Check = Callable[[Any], bool]
LARGEST = 2**63 - 1
"""Largest bigint of PostgreSQL."""


def check(snapshot: Any) -> None:
    """Raise TypeError for the first member that does not have its declared type."""
    for name, is_right in _members(type(snapshot)):  # type: ignore[arg-type]  # has a hash
        if not is_right(getattr(snapshot, name)):
            raise TypeError(f"{type(snapshot).__name__}.{name} is not what Stripe promises.")


@cache
def _members(cls: type) -> list[tuple[str, Check]]:
    hints = typing.get_type_hints(cls)
    return [(member.name, _check_of(hints[member.name])) for member in dataclasses.fields(cls)]


def _check_of(hint: Any) -> Check:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        checks = [_check_of(each) for each in arguments]
        return lambda value: any(is_right(value) for is_right in checks)
    if origin is tuple:
        is_member = _check_of(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(is_member, value))
    if origin is dict:
        is_key, is_value = map(_check_of, arguments)
        return lambda value: (
            isinstance(value, dict)
            and all(is_key(key) and is_value(each) for key, each in value.items())
        )
    return SCALARS.get(hint) or (lambda value: isinstance(value, hint))


def _is_text(value: Any) -> bool:
    """Characters that PostgreSQL cannot store are replaced when the text is stored."""
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


SCALARS: dict[Any, Check] = {
    str: _is_text,
    int: _is_number,
    bool: lambda value: isinstance(value, bool),
    datetime: lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    Decimal: lambda value: isinstance(value, Decimal) and value.is_finite(),
    type(None): lambda value: value is None,
    object: lambda value: True,
}
