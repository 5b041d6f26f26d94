"""Values of features as the console's forms accept and show them."""

import json
from typing import Any

from django.core.exceptions import ValidationError

from entitlements.models.feature import FeatureKind
from entitlements.resolution.kinds import KINDS

UNLIMITED = "unlimited"
HELP = (
    "Of a limit a whole number, or: unlimited. How many credits a use costs. Of a config any JSON, "
    "text in quotes."
)


def parse_value(text: str, *, kind: str) -> Any:
    """The value of this text. Raises ValidationError with what to type."""
    word = text.strip()
    if kind == FeatureKind.BOOLEAN:
        if word.lower() not in ("", "on", "true"):
            raise ValidationError("This feature is on or off: leave the value empty.")
        return True
    if kind == FeatureKind.CONFIG:
        return _json(word)
    if word.lower() == UNLIMITED and kind != FeatureKind.CREDITS:
        return None
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 17 else -1
    if not KINDS[kind].accepts(number):
        unlimited = "" if kind == FeatureKind.CREDITS else ", or: unlimited"
        raise ValidationError(f"Type a whole number{unlimited}.")
    return number


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError("Type JSON; text stands in quotes.") from error
    if not KINDS[FeatureKind.CONFIG].accepts(value):
        raise ValidationError("Type JSON of at most 2048 bytes, not null.")
    return value


def format_value(value: object, *, kind: str = "") -> str:
    """The text that :func:`parse_value` accepts; without a kind, a text for display."""
    if kind == FeatureKind.CONFIG or not isinstance(value, int | None):
        return json.dumps(value, ensure_ascii=False)
    if value is True:
        return "on"
    return UNLIMITED if value is None else str(value)
