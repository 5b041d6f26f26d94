"""Values of features as people type them."""

from django.core.exceptions import ValidationError

from entitlements.kinds import KINDS
from entitlements.models.feature import FeatureKind

UNLIMITED = "unlimited"
HELP = "Only for a limit: a whole number, or: unlimited."


def typed(text: str, *, kind: str) -> bool | int | None:
    """The value that this text means; raises ValidationError, which says what to type."""
    word = text.strip().lower()
    if kind == FeatureKind.BOOLEAN:
        if word not in ("", "on", "true"):
            raise ValidationError("This feature is on or off: leave the value empty.")
        return True
    if word == UNLIMITED:
        return None
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 17 else -1
    if not KINDS[kind].accepts(number):
        raise ValidationError("Type a whole number, or: unlimited.")
    return number


def shown(value: object) -> str:
    """The text that :func:`typed` reads back."""
    if value is True:
        return "on"
    return UNLIMITED if value is None else str(value)
