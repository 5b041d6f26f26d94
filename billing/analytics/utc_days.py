"""Days in UTC, half-open: a day is ``[00:00, 00:00 of the next day)``."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

DAY = timedelta(days=1)


def day_of(moment: datetime) -> date:
    """The day that contains this moment."""
    return moment.astimezone(UTC).date()


def start_of(day: date) -> datetime:
    """The first moment of the day."""
    return datetime.combine(day, time(), tzinfo=UTC)


def end_of(day: date) -> datetime:
    """The first moment after the day."""
    return start_of(day) + DAY


def days_between(first: date, before: date) -> Iterator[date]:
    """All days of ``[first, before)``."""
    for number in range((before - first).days):
        yield first + number * DAY
