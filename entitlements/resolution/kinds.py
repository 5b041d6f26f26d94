"""How the values of each kind of feature read and combine. Pure; values in, values out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

MAX_LIMIT = 2**53 - 1
"""The largest whole number that every reader of JSON understands."""
MAX_CONFIG = 2048
"""Bytes of JSON that the value of a config feature may have."""

MOST_GENEROUS, SUM, PRIORITY = "most_generous", "sum", "priority"

Value = Any
"""True or false, a number, null for no limit, or of a config feature any JSON."""
VALUE_HELP = (
    "True for a boolean feature; a whole number, or null for no limit, for a limit or a metered "
    "one; how many credits one use costs; JSON for a config."
)
FeatureValue = Annotated[Value, VALUE_HELP]
"""As the body of an answer has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the values of one kind of feature are, and what several of them come to."""

    nothing: Value
    """The value of a feature that is not allowed."""
    accepts: Callable[[Any], bool]
    """Whether something is a value of this kind; what is not gives nothing."""
    rule: str
    """What a value of this kind is, for whoever sent another one."""
    merges: Sequence[str]
    """The rules by which several values may be merged; the first unless told otherwise."""
    best: Callable[[Sequence[Any]], Value]
    """The most generous of at least one value."""
    allows: Callable[[Any], bool]
    limit: Callable[[Any], int | None] = lambda value: None
    """The number to show as ``limit``; None when there is none."""
    is_amount: bool = False
    """Whether half of a value is less of the same."""


def text(value: Value) -> str:
    """The same for values that are the same as JSON: true is not 1."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def total(values: Sequence[int | None]) -> int | None:
    """Limits added up: one that is none makes the whole none."""
    numbers = [value for value in values if value is not None]
    return None if len(numbers) < len(values) else min(sum(numbers), MAX_LIMIT)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_LIMIT


def _is_limit(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_config(value: Any) -> bool:
    if value is None or not _is_exact(value):
        return False
    try:
        written = text(value).encode()
    except UnicodeEncodeError:  # half of a character
        return False
    return len(written) <= MAX_CONFIG and b"\\u0000" not in written


def _is_exact(value: Any) -> bool:
    """Whether every number in it comes back from wherever it is kept as it was."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_exact(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_exact, value))
    if isinstance(value, int | float):
        return -MAX_LIMIT <= value <= MAX_LIMIT
    return value is None or isinstance(value, str)


_LIMIT = Kind(
    nothing=0,
    accepts=_is_limit,
    rule="the value is a whole number from 0 to 9007199254740991, or null for no limit.",
    merges=(MOST_GENEROUS, SUM, PRIORITY),
    best=lambda values: None if None in values else max(values),
    allows=lambda value: value is None or value > 0,
    limit=lambda value: value,
    is_amount=True,
)

KINDS: Mapping[str, Kind] = {
    "boolean": Kind(
        nothing=False,
        accepts=lambda value: value is True,
        rule="the value is true; leave it out for the same.",
        merges=(MOST_GENEROUS,),
        best=any,
        allows=bool,
    ),
    "limit": _LIMIT,
    "metered": _LIMIT,
    "config": Kind(
        nothing=None,
        accepts=_is_config,
        rule="the value is JSON of at most 2048 bytes, not null, its numbers within 2^53.",
        merges=(PRIORITY,),
        best=lambda values: max(values, key=text),
        allows=lambda value: value is not None,
    ),
    "credits": Kind(
        nothing=None,
        accepts=_is_number,
        rule="the value is how many credits one use costs: a whole number from 0 on.",
        merges=(MOST_GENEROUS, PRIORITY),
        best=min,
        allows=lambda value: value is not None,
    ),
}
"""A new kind of feature is one entry here and one in ``models.feature.FeatureKind``."""
