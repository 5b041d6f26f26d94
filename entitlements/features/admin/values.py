"""Values of features as people type them."""

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


def typed(text: str, *, kind: str) -> Any:
    """The value that this text means; raises ValidationError, which says what to type."""
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


def shown(value: object, *, kind: str = "") -> str:
    """The text that :func:`typed` reads back; without a kind one that people read."""
    if kind == FeatureKind.CONFIG or not isinstance(value, int | None):
        return json.dumps(value, ensure_ascii=False)
    if value is True:
        return "on"
    return UNLIMITED if value is None else str(value)
