"""Records of acceptable entries, before they are stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from usage.models import Meter
from usage.records.columns import EntryColumns, RecordColumns
from usage.records.entry_checks import COUNT, UNIQUE
from usage.totals import record_ids


def build(
    entries: EntryColumns,
    *,
    project_id: str,
    customer_ids: Mapping[str, str],
    meters: Mapping[str, Meter],
    at: datetime,
) -> RecordColumns:
    """The record of each entry. ``customer_ids`` are by user, ``meters`` by code."""
    meter_ids = {code: meter.pk for code, meter in meters.items()}
    are_forwarded = {code: meter.is_forwarded for code, meter in meters.items()}
    values, members = _build_values(entries, meters)
    return RecordColumns(
        ids=record_ids.of_keys(entries.keys, project_id=project_id, at=at),
        customer_ids=list(map(customer_ids.__getitem__, entries.user_ids)),
        meter_ids=list(map(meter_ids.__getitem__, entries.codes)),
        moments=[moment or at for moment in entries.moments],
        values=values,
        members=members,
        are_forwarded=list(map(are_forwarded.__getitem__, entries.codes)),
    )


def _build_values(
    entries: EntryColumns, meters: Mapping[str, Meter]
) -> tuple[Sequence[int], Sequence[bytes | None]]:
    """The columns ``values`` and ``members``."""
    if {meter.aggregation for meter in meters.values()}.isdisjoint((COUNT, UNIQUE)):
        return cast("Sequence[int]", entries.values), [None] * len(entries.values)
    pairs = [
        _value_and_member(value, meters[code].aggregation)
        for value, code in zip(entries.values, entries.codes, strict=True)
    ]
    return [value for value, _ in pairs], [member for _, member in pairs]


def _value_and_member(value: int | str | None, aggregation: str) -> tuple[int, bytes | None]:
    if aggregation == COUNT:
        return 1, None
    if aggregation == UNIQUE:
        return 1, record_ids.member(str(value))
    return int(value or 0), None
