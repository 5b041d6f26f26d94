"""Stripe's form encoding: ``items[0][price]=p&expand[]=a`` becomes nested dictionaries.

Arrays stay dictionaries with the keys "0", "1", …: only the parameter's type tells an array from a
hash with numeric keys, such as metadata. ``validation`` converts them to lists.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.errors import invalid

NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
KEY = re.compile(r"\[([^\[\]]*)\]")
MAX_DEPTH = 12


def decode_form(text: str) -> dict[str, Any]:
    """Decode a form into nested dictionaries. Raises 400 for malformed parameter names."""
    result: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=2000)
    except (UnicodeDecodeError, ValueError):
        raise invalid("Invalid request body: it must be form-encoded UTF-8.") from None
    for name, value in pairs:
        _set_value(result, name, value)
    return result


def _set_value(result: dict[str, Any], name: str, value: str) -> None:
    match = NAME.match(name)
    keys = KEY.findall(match[2]) if match else []
    if match is None or len(keys) > MAX_DEPTH:
        raise invalid(f"Invalid parameter name: {name[:200]}", param=name[:200])
    *parents, last = [match[1], *keys]
    target = result
    for parent in parents:
        child = target.setdefault(_array_index(target, parent), {})
        if not isinstance(child, dict):
            raise invalid(f"Invalid object: {match[1]}", param=match[1])
        target = child
    target[_array_index(target, last)] = value


def _array_index(target: dict[str, Any], key: str) -> str:
    """The key; for ``[]`` the next free index."""
    return key or str(len(target))
