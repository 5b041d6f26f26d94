"""The values that every representation is made of."""

from datetime import datetime
from typing import Any

from common.times import rfc3339

Json = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if value is None else rfc3339(value)


def money(amount: int | None, currency: str) -> Json | None:
    """``{"amount": 2900, "currency": "usd"}``; None while the amount is not known."""
    return None if amount is None else {"amount": amount, "currency": currency}
