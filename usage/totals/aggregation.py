"""How records become totals: pure arithmetic over whole numbers.

The total of an hour does not depend on the order of its records: of two records at the same moment
the larger value is the later one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class TotalKey(NamedTuple):
    """Key of an hourly total. Keys sort in the order in which the rows are locked."""

    customer_id: str
    meter_id: str
    hour: datetime


class TotalChanges(NamedTuple):
    """What records add to totals, by column: position ``n`` of each belongs to one total."""

    customer_ids: Sequence[str]
    meter_ids: Sequence[str]
    hours: Sequence[datetime]
    counts: Sequence[int]
    sums: Sequence[int]
    maxima: Sequence[int]
    lasts: Sequence[int]
    last_moments: Sequence[datetime]


def add_up_by_hour(
    *,
    customer_ids: Sequence[str],
    meter_ids: Sequence[str],
    values: Sequence[int],
    moments: Sequence[datetime],
) -> TotalChanges:
    """What records with these columns add to each total, by ascending :class:`TotalKey`."""
    if moments and moments.count(moments[0]) == len(moments):  # as if sent without times
        return _add_up_moment(customer_ids, meter_ids, values, moments[0])
    uses_by_key: dict[tuple[str, str, datetime], list[tuple[datetime, int]]] = {}
    for key, use in zip(
        zip(customer_ids, meter_ids, _hours_of(moments), strict=True),
        zip(moments, values, strict=True),
        strict=True,
    ):
        if key in uses_by_key:
            uses_by_key[key].append(use)
        else:
            uses_by_key[key] = [use]
    keys = sorted(uses_by_key)
    groups = [uses_by_key[key] for key in keys]
    values_of_groups = [[value for _, value in uses] for uses in groups]
    last_uses = list(map(max, groups))
    return TotalChanges(
        customer_ids=[customer_id for customer_id, _, _ in keys],
        meter_ids=[meter_id for _, meter_id, _ in keys],
        hours=[hour for _, _, hour in keys],
        counts=list(map(len, groups)),
        sums=list(map(sum, values_of_groups)),
        maxima=list(map(max, values_of_groups)),
        lasts=[value for _, value in last_uses],
        last_moments=[moment for moment, _ in last_uses],
    )


def _add_up_moment(
    customer_ids: Sequence[str], meter_ids: Sequence[str], values: Sequence[int], moment: datetime
) -> TotalChanges:
    """:func:`add_up_by_hour` of records of one moment."""
    values_by_pair: dict[tuple[str, str], list[int]] = {}
    for pair, value in zip(zip(customer_ids, meter_ids, strict=True), values, strict=True):
        if pair in values_by_pair:
            values_by_pair[pair].append(value)
        else:
            values_by_pair[pair] = [value]
    pairs = sorted(values_by_pair)
    groups = [values_by_pair[pair] for pair in pairs]
    maxima = list(map(max, groups))
    return TotalChanges(
        customer_ids=[customer_id for customer_id, _ in pairs],
        meter_ids=[meter_id for _, meter_id in pairs],
        hours=[hour_of(moment)] * len(pairs),
        counts=list(map(len, groups)),
        sums=list(map(sum, groups)),
        maxima=maxima,
        lasts=maxima,
        last_moments=[moment] * len(pairs),
    )


def _hours_of(moments: Sequence[datetime]) -> list[datetime]:
    """The hour of each moment."""
    hours = []
    starts_at = ends_at = BEGINNING
    for moment in moments:
        if not starts_at <= moment < ends_at:  # most are of the hour of the one before
            starts_at, ends_at = hour_of(moment), hour_of(moment) + HOUR
        hours.append(starts_at)
    return hours


def hour_of(moment: datetime) -> datetime:
    """The full hour (UTC) that holds this moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hour_after(moment: datetime) -> datetime:
    """The first full hour at or after this moment."""
    hour = hour_of(moment)
    return hour if hour == moment else hour + HOUR
