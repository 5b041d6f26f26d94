"""Calendar periods in UTC. Pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import models

from billing.analytics.utc_days import DAY


class MetricsPeriod(models.TextChoices):
    """Weeks begin on Monday."""

    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"


@dataclass(frozen=True, slots=True)
class DateRange:
    """The days ``[first, before)``."""

    first: date
    before: date

    @property
    def last(self) -> date:
        return self.before - DAY

    def __contains__(self, day: date) -> bool:
        return self.first <= day < self.before


def split(days: DateRange, period: MetricsPeriod) -> Iterator[DateRange]:
    """The calendar periods that the days touch, oldest first; the first and the last are cut to
    the days."""
    first = days.first
    while first < days.before:
        before = min(_next_start(first, period), days.before)
        yield DateRange(first, before)
        first = before


def _next_start(day: date, period: MetricsPeriod) -> date:
    """The first day of the period after the one that contains this day."""
    if period == MetricsPeriod.DAY:
        return day + DAY
    if period == MetricsPeriod.WEEK:
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
