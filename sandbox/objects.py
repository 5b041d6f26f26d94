"""Operations on Stripe objects, which are plain JSON dictionaries."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
Params = dict[str, Any]


def copy(value: Any) -> Any:
    """A deep copy of JSON data; several times faster than ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy(item) for item in value]
    return value


def merge_metadata(target: Object, change: Any) -> None:
    """Merge metadata by Stripe's rules: an empty value unsets a key, an empty string unsets all."""
    if change == "":
        target["metadata"] = {}
    elif change is not None:
        merged = {**target["metadata"], **change}
        target["metadata"] = {key: value for key, value in merged.items() if value != ""}


def assign(target: Object, params: Params, *names: str) -> None:
    """Copy the named parameters that were sent; an empty string sets null."""
    for name in names:
        if name in params:
            value = params[name]
            target[name] = None if value == "" else value


def previous_attributes(before: Object, after: Object) -> Object:
    """``previous_attributes`` of an event: hashes key by key, arrays whole, new keys as null."""
    changed: Object = {}
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed[key] = previous_attributes(old, new)
        else:
            changed[key] = copy(old)
    return changed
