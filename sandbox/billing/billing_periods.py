"""Billing periods, counted from an anchor, in UTC.

An anchor on the 31st bills on the last day of shorter months and on the 31st of others: periods are
counted from the anchor, not from the previous period.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

from sandbox.objects import Object

DAY = 86400
HOUR = 3600
MAX_INTERVAL_SECONDS = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY, "year": 366 * DAY}


def period_boundary(anchor: int, recurring: Object, number: int) -> int:
    """The anchor plus ``number`` intervals; negative numbers lie before the anchor."""
    steps: int = number * recurring["interval_count"]
    match recurring["interval"]:
        case "day":
            return anchor + steps * DAY
        case "week":
            return anchor + steps * 7 * DAY
        case "month":
            return _plus_months(anchor, steps)
        case "year":
            return _plus_months(anchor, 12 * steps)
    raise ValueError(f"{recurring['interval']!r} is no interval.")


def end_of_period(anchor: int, recurring: Object, start: int) -> int:
    """The first boundary after ``start``."""
    longest: int = MAX_INTERVAL_SECONDS[recurring["interval"]] * recurring["interval_count"]
    number = (start - anchor) // longest - 1
    while period_boundary(anchor, recurring, number) <= start:
        number += 1
    return period_boundary(anchor, recurring, number)


def start_of_period(anchor: int, recurring: Object, time: int) -> int:
    """The last boundary at or before ``moment``."""
    longest: int = MAX_INTERVAL_SECONDS[recurring["interval"]] * recurring["interval_count"]
    number = (time - anchor) // longest - 1
    while period_boundary(anchor, recurring, number + 1) <= time:
        number += 1
    return period_boundary(anchor, recurring, number)


def _plus_months(anchor: int, months: int) -> int:
    anchor_time = datetime.fromtimestamp(anchor, UTC)
    years, month = divmod(anchor_time.month - 1 + months, 12)
    year = anchor_time.year + years
    day = min(anchor_time.day, calendar.monthrange(year, month + 1)[1])
    return int(anchor_time.replace(year=year, month=month + 1, day=day).timestamp())
