"""The values of a difference as they may be stored: what may be personal is left out.

Only what cannot name a person is shown: numbers, times, yes and no, ids, and texts of the columns
in ``TEXTS``. Of every other column only the name is stored.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

MAX_CHANGES = 50
"""Fields of one object that are stored; an invoice may have hundreds of lines."""
MAX_TEXT = 200

TEXTS = frozenset(
    {
        *("billing_scheme", "cancel_reason", "collection_method", "currency", "discount_type"),
        *("duration", "interval", "mode", "payment_status", "reason", "recurring_interval"),
        *("status", "tax_behavior", "type", "usage", "usage_type"),
    }
)
_ID_COLUMN = re.compile(r"(?:^|_)id\Z")
_PERSONAL_ID = frozenset({"user_id", "tax_id"})
_AMOUNT = re.compile(
    r"amount|quantity|currency|balance|^(?:sub)?total|_total|^tax\Z|^value\Z|percent_off"
)


class FieldChange(TypedDict):
    """One differing field. Both values are null if they may be personal (``redacted``)."""

    field: str
    ours: str | int | bool | None
    stripe: str | int | bool | None
    redacted: bool


def changes(differences: Mapping[str, tuple[object, object]]) -> list[FieldChange]:
    """The differences in order of their names, at most MAX_CHANGES."""
    names = sorted(differences)[:MAX_CHANGES]
    return [_change(name, *differences[name]) for name in names]


def is_about_money(differences: Mapping[str, tuple[object, object]]) -> bool:
    """Whether an amount, a quantity or a currency differs."""
    return any(_AMOUNT.search(_column(name)) for name in differences)


def _change(name: str, ours: object, stripes: object) -> FieldChange:
    is_shown = _is_shown(name, ours) and _is_shown(name, stripes)
    return {
        "field": name[:MAX_TEXT],
        "ours": _plain(ours) if is_shown else None,
        "stripe": _plain(stripes) if is_shown else None,
        "redacted": not is_shown,
    }


def _column(name: str) -> str:
    """The column of a row or of a row below it: ``quantity`` of ``items[si_1].quantity``."""
    return name.rpartition(".")[2]


def _is_shown(name: str, value: object) -> bool:
    if value is None or isinstance(value, bool | int | Decimal | datetime):
        return True
    if not isinstance(value, str):
        return False
    column = _column(name)
    is_id = bool(_ID_COLUMN.search(column)) and column not in _PERSONAL_ID
    return not value or is_id or column in TEXTS


def _plain(value: object) -> str | int | bool | None:
    """The value as JSON: whole numbers as they are, everything else as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)[:MAX_TEXT]
