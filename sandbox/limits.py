"""Value limits that the SDK's types lack: length, metadata, URL, e-mail address, currency."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sandbox.currencies import CURRENCIES
from sandbox.errors import invalid
from sandbox.objects import Params

TEXT_LIMIT = 5000
NAMED_LIMITS = {"email": 512, "lookup_key": 200, "phone": 20}
METADATA_KEYS, METADATA_KEY, METADATA_VALUE = 50, 40, 500
URL_NAMES = {"success_url", "cancel_url", "return_url", "url"}
EMAIL_NAMES = {"email", "customer_email", "receipt_email"}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@localhost")


def check_limits(params: Params) -> None:
    """Raise 400 for the first value that is too long or malformed for its parameter."""
    for name, key, value in _walk_values(params):
        if key == "metadata":
            _check_metadata(name, value)
        elif isinstance(value, str):
            _check_text(name, key, value)


def _walk_values(value: Any, name: str = "", key: str = "") -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, dict) and key != "metadata":
        for inner, child in value.items():
            full = f"{name}[{inner}]" if name else inner
            yield from _walk_values(child, full, inner)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _walk_values(child, f"{name}[{index}]", key)
    else:
        yield name, key, value


def _check_text(name: str, key: str, value: str) -> None:
    check_length(name, value, NAMED_LIMITS.get(key, TEXT_LIMIT))
    if not value:
        return
    if key in URL_NAMES and not is_url(value):
        raise invalid("Not a valid URL", param=name, code="url_invalid")
    if key in EMAIL_NAMES and not EMAIL.fullmatch(value):
        raise invalid(f"Invalid email address: {value}", param=name, code="email_invalid")
    if key == "currency" and value.lower() not in CURRENCIES:
        raise invalid(
            f"Invalid currency: {value.lower()}. Stripe currently supports these currencies: "
            f"{', '.join(sorted(CURRENCIES))}",
            param=name,
        )


def check_length(name: str, value: str, limit: int) -> None:
    """Raise 400 for a text that is too long."""
    if len(value) > limit:
        excerpt = f"{value[:4]}...{value[-4:]}"
        raise invalid(
            f"Invalid string: '{excerpt}'; must be at most {limit} characters", param=name
        )


def is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in value


def _check_metadata(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        return
    if len(value) > METADATA_KEYS:
        raise invalid(f"Metadata can have up to {METADATA_KEYS} keys.", param=name)
    for key, text in value.items():
        if len(key) > METADATA_KEY:
            raise invalid(
                f"Metadata keys must be {METADATA_KEY} characters or less. '{key}' is "
                f"{len(key)} characters.",
                param=name,
            )
        if isinstance(text, str) and len(text) > METADATA_VALUE:
            raise invalid(
                f"Metadata values must be {METADATA_VALUE} characters or less, but you passed in "
                f"a value that is {len(text)} characters. Invalid value: {text[:100]}",
                param=f"{name}[{key}]",
            )
