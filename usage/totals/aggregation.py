"""How records become figures: pure arithmetic over whole numbers.

What the records of an hour come to does not depend on their order: of two records at the very same
moment, the larger value is the later one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Use(NamedTuple):
    """What one record adds."""

    customer_id: str
    meter_id: str
    value: int
    occurred_at: datetime


class Place(NamedTuple):
    """Which total a record belongs to; places sort as their rows are locked."""

    customer_id: str
    meter_id: str
    hour: datetime


@dataclass(slots=True)
class Share:
    """What some records of one place come to."""

    count: int
    sum: int
    max: int
    last: int
    last_at: datetime


def by_hour(uses: Iterable[tuple[str, str, int, datetime]]) -> dict[Place, Share]:
    """What these uses (:class:`Use`) add to each total, by place in ascending order."""
    told: dict[tuple[str, str, datetime], list[tuple[datetime, int]]] = {}
    starts_at = ends_at = BEGINNING
    for customer_id, meter_id, value, at in uses:
        if not starts_at <= at < ends_at:  # most are of one hour
            starts_at, ends_at = hour_of(at), hour_of(at) + HOUR
        place, use = (customer_id, meter_id, starts_at), (at, value)
        if place in told:
            told[place].append(use)
        else:
            told[place] = [use]
    return {Place._make(place): _share(told[place]) for place in sorted(told)}


def _share(uses: list[tuple[datetime, int]]) -> Share:
    if len(uses) == 1:
        ((at, value),) = uses
        return Share(1, value, value, value, at)
    last_at, last = max(uses)
    values = [value for _, value in uses]
    return Share(len(values), sum(values), max(values), last, last_at)


def hour_of(moment: datetime) -> datetime:
    """The full hour (UTC) that holds this moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_after(moment: datetime) -> datetime:
    """The first full hour that is not before this moment."""
    hour = hour_of(moment)
    return hour if hour == moment else hour + HOUR
