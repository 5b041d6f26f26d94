"""How records become totals: pure arithmetic over whole numbers.

The total of an hour does not depend on the order of its records: of two records at the same moment
the larger value is the later one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class RecordedUse(NamedTuple):
    """The part of a record that is counted."""

    customer_id: str
    meter_id: str
    value: int
    occurred_at: datetime


class TotalKey(NamedTuple):
    """Key of an hourly total. Keys sort in the order in which the rows are locked."""

    customer_id: str
    meter_id: str
    hour: datetime


@dataclass(slots=True)
class TotalChange:
    """What some records of one hour add to its total."""

    count: int
    sum: int
    max: int
    last: int
    last_at: datetime


def group_by_hour(uses: Iterable[tuple[str, str, int, datetime]]) -> dict[TotalKey, TotalChange]:
    """What these uses (:class:`RecordedUse`) add to each total, by ascending key."""
    uses_by_key: dict[tuple[str, str, datetime], list[tuple[datetime, int]]] = {}
    starts_at = ends_at = BEGINNING
    for customer_id, meter_id, value, at in uses:
        if not starts_at <= at < ends_at:  # most are of one hour
            starts_at, ends_at = hour_of(at), hour_of(at) + HOUR
        key, use = (customer_id, meter_id, starts_at), (at, value)
        if key in uses_by_key:
            uses_by_key[key].append(use)
        else:
            uses_by_key[key] = [use]
    return {TotalKey._make(key): _add_up(uses_by_key[key]) for key in sorted(uses_by_key)}


def _add_up(uses: list[tuple[datetime, int]]) -> TotalChange:
    if len(uses) == 1:
        ((at, value),) = uses
        return TotalChange(1, value, value, value, at)
    last_at, last = max(uses)
    values = [value for _, value in uses]
    return TotalChange(len(values), sum(values), max(values), last, last_at)


def hour_of(moment: datetime) -> datetime:
    """The full hour (UTC) that holds this moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_after(moment: datetime) -> datetime:
    """The first full hour at or after this moment."""
    hour = hour_of(moment)
    return hour if hour == moment else hour + HOUR
