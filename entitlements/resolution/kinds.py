"""How the values of each kind of feature are checked, merged and shown. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

MAX_LIMIT = 2**53 - 1
"""The largest whole number that every JSON reader represents exactly."""
MAX_CONFIG = 2048
"""Bytes of JSON that the value of a config feature may have."""

MOST_GENEROUS, SUM, PRIORITY = "most_generous", "sum", "priority"

Value = Any
"""True or false, a number, null for no limit, or of a config feature any JSON."""
VALUE_HELP = (
    "Depends on the feature's kind. boolean: true. limit, metered: a whole number, or null for "
    "unlimited. credits: how many credits one use costs. config: any JSON."
)
FeatureValue = Annotated[Value, VALUE_HELP]
"""The value in a response, with its description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureKindRules:
    """The rules for values of one kind of feature."""

    nothing: Value
    """The value of a feature that is denied."""
    accepts: Callable[[Any], bool]
    """Whether an object is a value of this kind. A fact with another value gives nothing."""
    rule: str
    """What a value of this kind is, as the error message for another one."""
    merges: Sequence[str]
    """Merge rules that the kind allows; the first is the default."""
    best: Callable[[Sequence[Any]], Value]
    """The most generous of one or more values."""
    allows: Callable[[Any], bool]
    limit: Callable[[Any], int | None] = lambda value: None
    """The number that is shown as ``limit``; None when there is none."""
    is_amount: bool = False
    """Whether a value can be prorated: half of it is a smaller value of the same kind."""


def canonical_json(value: Value) -> str:
    """Text that is equal for values that are equal as JSON: true is not 1."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def add_limits(values: Sequence[int | None]) -> int | None:
    """The sum of limits, at most :data:`MAX_LIMIT`; None (no limit) when one of them is None."""
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
        encoded = canonical_json(value).encode()
    except UnicodeEncodeError:  # half of a character
        return False
    return len(encoded) <= MAX_CONFIG and b"\\u0000" not in encoded


def _is_exact(value: Any) -> bool:
    """Whether every number in the value survives storage and JSON unchanged."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_exact(member) for key, member in value.items())
    if isinstance(value, list):
        return all(map(_is_exact, value))
    if isinstance(value, int | float):
        return -MAX_LIMIT <= value <= MAX_LIMIT
    return value is None or isinstance(value, str)


_LIMIT = FeatureKindRules(
    nothing=0,
    accepts=_is_limit,
    rule="the value is a whole number from 0 to 9007199254740991, or null for no limit.",
    merges=(MOST_GENEROUS, SUM, PRIORITY),
    best=lambda values: None if None in values else max(values),
    allows=lambda value: value is None or value > 0,
    limit=lambda value: value,
    is_amount=True,
)

KINDS: Mapping[str, FeatureKindRules] = {
    "boolean": FeatureKindRules(
        nothing=False,
        accepts=lambda value: value is True,
        rule="the value is true, or absent.",
        merges=(MOST_GENEROUS,),
        best=any,
        allows=bool,
    ),
    "limit": _LIMIT,
    "metered": _LIMIT,
    "config": FeatureKindRules(
        nothing=None,
        accepts=_is_config,
        rule="the value is JSON of at most 2048 bytes, not null, its numbers within 2^53.",
        merges=(PRIORITY,),
        best=lambda values: max(values, key=canonical_json),
        allows=lambda value: value is not None,
    ),
    "credits": FeatureKindRules(
        nothing=None,
        accepts=_is_number,
        rule="the value is how many credits one use costs: a whole number from 0 on.",
        merges=(MOST_GENEROUS, PRIORITY),
        best=min,
        allows=lambda value: value is not None,
    ),
}
"""Every check and every merge of a value reads this table. docs/how-to-add.md lists the other
places of a new kind: its words, the console, its order."""
