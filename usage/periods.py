"""When a metered limit starts again: pure calendar arithmetic in UTC.

A period has a unit and, unless it follows the calendar, an anchor: its windows begin on the
anchor's day and time (in a shorter month on the last day), as Stripe's billing periods do. They
begin on full hours, because totals are kept by the hour: an anchor counts from its full hour.

Windows of a period that has to be paid begin only in paid time. After that the last window is
*extended* until more is paid: see :meth:`Period.extend_unpaid`.
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, 23, tzinfo=UTC)
"""Stands for never."""
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class Unit(StrEnum):
    """How long a window lasts; ``lifetime`` never ends."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    LIFETIME = "lifetime"


class Window(NamedTuple):
    """One window of a period, half-open: ``[starts_at, ends_at)``."""

    starts_at: datetime
    ends_at: datetime

    @property
    def resets_at(self) -> datetime | None:
        """When the next window begins; None without one."""
        return None if self.ends_at >= END else self.ends_at


_LENGTHS = {
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}
_HOUR = "%Y-%m-%dT%H"
_EXTENDED = "+"
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """The unit and the anchor of consecutive windows; without an anchor by the calendar (weeks
    begin on Monday).

    ``extended_from`` is the start of a window that is extended because nothing later is paid.
    """

    unit: Unit
    anchor: datetime | None = None
    extended_from: datetime | None = None

    @property
    def key(self) -> str:
        """Names the period's counter. Equal for equal windows, whatever the minutes of the
        anchor. All extended windows share one counter."""
        return self.regular_key + (_EXTENDED if self.extended_from else "")

    @property
    def regular_key(self) -> str:
        """The :attr:`key` without an extension."""
        if self.anchor is None or self.unit in (Unit.LIFETIME, Unit.HOUR):
            return self.unit.value
        return f"{self.unit.value}@{_full_hour(self.anchor).strftime(_HOUR)}"

    @property
    def text(self) -> str:
        """The period as text for :meth:`from_text`: its key, and which window is extended."""
        return self.key + (self.extended_from.strftime(_HOUR) if self.extended_from else "")

    @classmethod
    def from_text(cls, text: str) -> "Period":
        """The period from its :attr:`text`."""
        regular, _, extended = text.partition(_EXTENDED)
        unit, _, anchor = regular.partition("@")
        return cls(Unit(unit), _parse_hour(anchor), _parse_hour(extended))

    def extend_unpaid(self, until: datetime, *, at: datetime) -> "Period":
        """The period at ``at`` when its windows may begin before ``until`` only: unchanged, or
        with the last such window extended because it would be over."""
        ends_at = self.paid_window(until).ends_at
        if at < ends_at:
            return self
        return replace(self, extended_from=self.paid_window(until).starts_at)

    def paid_window(self, until: datetime) -> Window:
        """The last window that begins before ``until``, to the full hour."""
        return self._regular(_full_hour(until) - _INSTANT)

    def window(self, at: datetime) -> Window:
        """The window that holds ``at``. An extended window ends with the regular one, and is
        evaluated again then."""
        regular = self._regular(at)
        if self.extended_from is None:
            return regular
        return Window(self.extended_from, regular.ends_at)

    def resets_at(self, at: datetime) -> datetime | None:
        """When the window after the one at ``at`` begins; None without one, or when it begins
        with the next payment."""
        return self.window(at).resets_at if self.extended_from is None else None

    def is_window(self, window: Window, *, at: datetime) -> bool:
        """Whether a counter in that window can be used at ``at``: a later window is accepted,
        because clocks differ slightly, but no other extended one."""
        is_this = self.extended_from is None or self.extended_from == window.starts_at
        return is_this and at < window.ends_at

    def _regular(self, at: datetime) -> Window:
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


def _parse_hour(text: str) -> datetime | None:
    return datetime.strptime(text, _HOUR).replace(tzinfo=UTC) if text else None


def _full_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
