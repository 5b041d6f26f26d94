"""When a metered limit starts again: pure calendar arithmetic in UTC.

A period has a unit and, unless it follows the calendar, an anchor: windows then begin on the
anchor's day and time (in a shorter month on its last day), as Stripe's billing periods do. They
begin on full hours, because totals are kept by the hour: an anchor counts from its full hour.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, 23, tzinfo=UTC)
"""What stands for never."""
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class Unit(StrEnum):
    """How long a limit lasts; ``lifetime`` never starts again."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    LIFETIME = "lifetime"


class Window(NamedTuple):
    """One period, half-open: ``[starts_at, ends_at)``."""

    starts_at: datetime
    ends_at: datetime

    @property
    def resets_at(self) -> datetime | None:
        """When the next one begins; None when there is none."""
        return None if self.ends_at >= END else self.ends_at


_LENGTHS = {
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}
_HOUR = "%Y-%m-%dT%H"


@dataclass(frozen=True, slots=True)
class Period:
    """How windows follow each other; without an anchor by the calendar (weeks begin on Monday)."""

    unit: Unit
    anchor: datetime | None = None

    @property
    def key(self) -> str:
        """The same for the same windows, whatever the minutes of the anchor."""
        if self.anchor is None or self.unit in (Unit.LIFETIME, Unit.HOUR):
            return self.unit.value
        return f"{self.unit.value}@{_full_hour(self.anchor).strftime(_HOUR)}"

    @classmethod
    def of_key(cls, key: str) -> "Period":
        """The period that has this key."""
        unit, _, anchor = key.partition("@")
        begins = datetime.strptime(anchor, _HOUR).replace(tzinfo=UTC) if anchor else None
        return cls(Unit(unit), begins)

    def window(self, at: datetime) -> Window:
        """The window that holds this moment."""
        if self.unit is Unit.LIFETIME:
            return Window(BEGINNING, END)
        if self.unit in _LENGTHS:
            return self._even(at, _LENGTHS[self.unit])
        return self._monthly(at, _MONTHS[self.unit])

    def _even(self, at: datetime, length: timedelta) -> Window:
        origin = MONDAY if self.anchor is None else _full_hour(self.anchor)
        start = origin + (at - origin) // length * length
        return Window(start, start + length)

    def _monthly(self, at: datetime, step: int) -> Window:
        origin = BEGINNING if self.anchor is None else _full_hour(self.anchor)
        passed = (at.year - origin.year) * 12 + at.month - origin.month
        number = passed // step
        if _months_after(origin, number * step) > at:
            number -= 1
        elif _months_after(origin, (number + 1) * step) <= at:
            number += 1
        return Window(
            _months_after(origin, number * step), _months_after(origin, (number + 1) * step)
        )


def _months_after(origin: datetime, months: int) -> datetime:
    """On the origin's day, or on the last of a month that has no such day."""
    year, month = divmod(origin.year * 12 + origin.month - 1 + months, 12)
    day = min(origin.day, monthrange(year, month + 1)[1])
    return origin.replace(year=year, month=month + 1, day=day)


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
