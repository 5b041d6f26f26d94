"""Which entries are acceptable, by their meter, time and value: pure, and by column for many."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from common.errors import DomainError
from usage.errors import (
    MeterArchived,
    MeterUnknown,
    UsageInFuture,
    UsageTooOld,
    UsageValueInvalid,
)
from usage.models import Meter
from usage.models.meter import Aggregation

MAX_VALUE = 2**53 - 1
"""Every JSON reader represents it exactly."""
MAX_TEXT_LENGTH = 255
"""Characters of a value of a ``unique`` meter."""
COUNT, UNIQUE = Aggregation.COUNT.value, Aggregation.UNIQUE.value


class AcceptedTimes(NamedTuple):
    """The moments between which a use that arrives now may have occurred."""

    earliest: datetime
    now: datetime
    latest: datetime


def find_refusals(
    *,
    codes: Sequence[str],
    values: Sequence[int | str | None],
    moments: Sequence[datetime | None],
    meters: Mapping[str, Meter],
    times: AcceptedTimes,
) -> dict[int, DomainError]:
    """The refusals of entries with these meters' codes, values and times, by position."""
    if _are_all_acceptable(codes, values, moments, meters, times):
        return {}
    screened = (
        screen(value, moment, meter=meters.get(code), times=times)
        for code, value, moment in zip(codes, values, moments, strict=True)
    )
    return {position: refusal for position, refusal in enumerate(screened) if refusal is not None}


def _are_all_acceptable(
    codes: Sequence[str],
    values: Sequence[int | str | None],
    moments: Sequence[datetime | None],
    meters: Mapping[str, Meter],
    times: AcceptedTimes,
) -> bool:
    """Whether :func:`screen` refuses none of them."""
    distinct_codes = set(codes)
    if not all(code in meters and meters[code].archived_at is None for code in distinct_codes):
        return False
    if not all(times.earliest <= moment <= times.latest for moment in set(moments) if moment):
        return False
    if len(distinct_codes) == 1:
        return _are_values(values, meters[codes[0]].aggregation)
    values_by_code: dict[str, list[int | str | None]] = {code: [] for code in distinct_codes}
    for code, value in zip(codes, values, strict=True):
        values_by_code[code].append(value)
    return all(
        _are_values(meter_values, meters[code].aggregation)
        for code, meter_values in values_by_code.items()
    )


def _are_values(values: Sequence[Any], aggregation: str) -> bool:
    """Whether :func:`screen_value` refuses none of them."""
    if aggregation == COUNT:
        return True
    kinds = set(map(type, values))
    if aggregation == UNIQUE:
        return (
            kinds == {str}
            and min(map(len, values)) > 0
            and max(map(len, values)) <= MAX_TEXT_LENGTH
        )
    return kinds == {int} and min(values) >= 0 and max(values) <= MAX_VALUE


def screen(
    value: int | str | None,
    occurred_at: datetime | None,
    *,
    meter: Meter | None,
    times: AcceptedTimes,
) -> DomainError | None:
    """The refusal for an entry's meter, time or value; None when it is acceptable."""
    if meter is None:
        return MeterUnknown("Define it with POST /meters, or see GET /meters for what there is.")
    if meter.archived_at is not None:
        return MeterArchived("Restore it with PATCH /meters/{code}, or count with another one.")
    if occurred_at is not None:
        if occurred_at > times.latest:
            return UsageInFuture("Send a record once the use has happened; check your clock.")
        if occurred_at < times.earliest:
            days = (times.now - times.earliest).days
            return UsageTooOld(f"Send records within {days} days of the use.")
    return screen_value(value, meter.aggregation)


def screen_value(value: int | str | None, aggregation: str) -> DomainError | None:
    """The refusal for a value of a meter with this aggregation; None when it is acceptable."""
    if aggregation == COUNT:
        return None
    if aggregation == UNIQUE:
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LENGTH:
            return None
        return UsageValueInvalid(
            f"This meter tells texts of 1 to {MAX_TEXT_LENGTH} characters apart."
        )
    if type(value) is int and 0 <= value <= MAX_VALUE:
        return None
    return UsageValueInvalid(f"This meter takes whole numbers from 0 to {MAX_VALUE}.")
