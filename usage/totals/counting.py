"""Check and count in one statement: concurrent requests never exceed the limit.

A statement sees what was committed when it began, so it misses a counter that was created while it
waited. ``siblings``, read under the lock, tells: when there are more counters than were locked,
nothing is written and the statement runs again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from psycopg.types.numeric import Int8

from common.errors import Conflict
from usage.errors import MeterArchived, NotConsumable, UsageKeyReused
from usage.models import Meter, RecordKey
from usage.periods import Period, Window
from usage.totals import counter_sql, counters, record_ids
from usage.totals.counter_sql import CounterRow

ATTEMPTS_EXHAUSTED = "The counter could not be brought to this moment."
MAX_ATTEMPTS = 5
"""Runs of the statement until the counter exists in the right window; two are rare already."""


class CustomerChanged(Exception):  # no error: the caller asks again
    """The customer's version differs from the given one; nothing was written."""


@dataclass(frozen=True, slots=True)
class CountResult:
    """Whether the units were counted or reserved, and the counter after it."""

    is_done: bool
    used: int
    reserved: int
    window: Window
    record_id: str = ""
    is_duplicate: bool = False
    is_noted: bool = False


class CountRequest(NamedTuple):
    """``amount`` units of a meter for a customer, against the counter of one period."""

    project_id: str
    customer_id: str
    meter_id: str
    period: Period
    amount: int

    def parameters(self, **extra: Any) -> dict[str, Any]:
        """The parameters of the statements."""
        return {
            "project": self.project_id,
            "customer": self.customer_id,
            "meter": self.meter_id,
            "period": self.period.key,
            "extended_from": self.period.extended_from,
            "amount": Int8(self.amount),
            **extra,
        }


def count(
    request: CountRequest,
    *,
    limit: int | None,
    at: datetime,
    key: str = "",
    feature: str = "",
    marks: Sequence[int] = (),
    version: int | None = None,
) -> CountResult:
    """Count the units if used and reserved units stay within the limit; one round trip.

    A second request with the same key is a duplicate; the same key with another request or feature
    raises UsageKeyReused. Raises MeterArchived, and NotConsumable for a meter that does not add up.
    Usage that passes one of the ``marks``, and every count of a meter that several limits share,
    leaves a movement. With a ``version`` that is not the customer's, raises CustomerChanged.
    """
    parameters = count_parameters(
        request, limit=limit, at=at, key=key, feature=feature, marks=marks, version=version
    )
    record_id = parameters["record"]
    for _ in range(MAX_ATTEMPTS):
        row = counter_sql.run_statement(counter_sql.COUNT, parameters)
        if row is not None and row.is_counted:
            return _build_result(request, row, record_id)
        if row is not None and not row.is_current:
            raise CustomerChanged
        if key and _is_recorded(request.project_id, record_id, parameters["fingerprint"]):
            return _build_duplicate(request, row, at, record_id)
        if row is not None and not row.is_open:
            raise _closed_error(request)
        if row is not None and row.is_running:
            return CountResult(False, row.used, row.reserved, Window(row.starts_at, row.ends_at))
        _ensure_counter(request, at)
    raise RuntimeError(ATTEMPTS_EXHAUSTED)


def count_parameters(
    request: CountRequest,
    *,
    limit: int | None,
    at: datetime,
    key: str,
    feature: str,
    marks: Sequence[int],
    version: int | None,
) -> dict[str, Any]:
    """The parameters of the statement of :func:`count`."""
    record_id = (
        record_ids.of_key(request.project_id, f"take\0{key}") if key else record_ids.new_id(at)
    )
    return _parameters(
        request,
        record_id,
        at,
        feature,
        limit=_bigint(limit),
        released=Int8(0),
        marks=[Int8(mark) for mark in marks],
        version=_bigint(version),
    )


def count_each(
    counts: Sequence[tuple[CountRequest, dict[str, Any]]],
) -> list[CountResult | None]:
    """Count requests with their parameters in this order and in one transaction.

    None for a request that was not counted: :func:`count` tells why. Raises Django's database
    errors (``prepared_statements.fetch_each``).
    """
    rows = counter_sql.run_each(counter_sql.COUNT, [parameters for _, parameters in counts])
    return [
        _build_result(request, row, parameters["record"]) if row and row.is_counted else None
        for (request, parameters), row in zip(counts, rows, strict=True)
    ]


def apply_count(request: CountRequest, *, reserved: int, key: str, at: datetime) -> CountResult:
    """Count reserved units and release the rest of ``reserved``; once per key.

    No limit is checked: the units were reserved. Leaves a movement. Raises MeterArchived.
    """
    record_id = record_ids.of_key(request.project_id, f"settle\0{key}")
    parameters = _parameters(
        request, record_id, at, "", limit=None, released=Int8(reserved), marks=[], version=None
    )
    for _ in range(MAX_ATTEMPTS):
        row = counter_sql.run_statement(counter_sql.COUNT, parameters)
        if row is not None and row.is_counted:
            return _build_result(request, row, record_id, released=reserved)
        if row is not None and not row.is_open:
            raise _closed_error(request)
        if _is_recorded(request.project_id, record_id, parameters["fingerprint"]):
            return _build_duplicate(request, row, at, record_id)
    raise RuntimeError(ATTEMPTS_EXHAUSTED)


def reserve(request: CountRequest, *, limit: int | None, at: datetime) -> CountResult:
    """Reserve the units if used and reserved units stay within the limit.

    Raises MeterArchived, NotConsumable.
    """
    parameters = request.parameters(limit=_bigint(limit), at=at)
    for _ in range(MAX_ATTEMPTS):
        row = counter_sql.run_statement(counter_sql.RESERVE, parameters)
        if row is not None and not row.is_open:
            raise _closed_error(request)
        if row is not None and row.is_running:
            window = Window(row.starts_at, row.ends_at)
            return CountResult(row.is_counted, row.used, row.reserved, window)
        _ensure_counter(request, at)
    raise RuntimeError(ATTEMPTS_EXHAUSTED)


def release(request: CountRequest) -> None:
    """Release the reserved units, whichever window the counter is in."""
    with connection.cursor() as cursor:
        cursor.execute(counter_sql.RELEASE, request.parameters())


def _parameters(
    request: CountRequest, record_id: str, at: datetime, feature: str, **extra: Any
) -> dict[str, Any]:
    fingerprint = _fingerprint(request.customer_id, request.meter_id, request.amount, feature)
    return request.parameters(record=record_id, fingerprint=fingerprint, at=at, **extra)


def _bigint(number: int | None) -> Int8 | None:
    """Always bigint: each parameter type is a statement of its own to the server."""
    return None if number is None else Int8(number)


def _fingerprint(customer_id: str, meter_id: str, amount: int, feature: str) -> bytes:
    return record_ids.fingerprint(
        customer_id=customer_id, meter_id=meter_id, value=f"{amount}\n{feature}", occurred_at=None
    )


def _build_result(
    request: CountRequest, row: CounterRow, record_id: str, *, released: int = 0
) -> CountResult:
    """Units reserved before the window ended count in the next window."""
    return CountResult(
        is_done=True,
        used=row.used + (request.amount if row.is_running else 0),
        reserved=row.reserved - released,
        window=Window(row.starts_at, row.ends_at),
        record_id=record_id,
        is_noted=row.is_noted,
    )


def _is_recorded(project_id: str, record_id: str, fingerprint: bytes) -> bool:
    """Whether this was counted before. A later statement, which sees other commits."""
    rows = RecordKey.objects.for_project(project_id).filter(id=record_id)
    stored = rows.values_list("fingerprint", flat=True).first()
    if stored is not None and bytes(stored) != fingerprint:
        raise UsageKeyReused(
            "Send a different key with each use; send the same key only to repeat a use."
        )
    return stored is not None


def is_counted(
    *, project_id: str, customer_id: str, amount: int, key: str, feature: str = ""
) -> bool:
    """Whether exactly this was counted under the key. Raises UsageKeyReused for another use."""
    record_id = record_ids.of_key(project_id, f"take\0{key}")
    row = RecordKey.objects.for_project(project_id).filter(id=record_id).first()
    if row is None:
        return False
    return _is_recorded(
        project_id, record_id, _fingerprint(customer_id, row.meter_id, amount, feature)
    )


def _closed_error(request: CountRequest) -> Conflict:
    meter = Meter.objects.for_project(request.project_id).get(pk=request.meter_id)
    if meter.is_additive:
        return MeterArchived(f"Restore {meter.code} with PATCH /meters/{meter.code}.")
    return NotConsumable(
        f"The meter {meter.code} keeps the {meter.aggregation} of its values, and only counts and "
        "sums can be consumed. Send records to POST /usage, and check the feature."
    )


def _build_duplicate(
    request: CountRequest, row: CounterRow | None, at: datetime, record_id: str
) -> CountResult:
    """The result of a repeated request: done, with the counter as it is now."""
    if row is None or not row.is_running:
        _ensure_counter(request, at)
        row = counter_sql.run_statement(counter_sql.READ, request.parameters(at=at))
    if row is None:
        raise RuntimeError(ATTEMPTS_EXHAUSTED)
    window = Window(row.starts_at, row.ends_at)
    return CountResult(True, row.used, row.reserved, window, record_id=record_id, is_duplicate=True)


def _ensure_counter(request: CountRequest, at: datetime) -> None:
    counters.ensure(
        project_id=request.project_id,
        customer_id=request.customer_id,
        meter_id=request.meter_id,
        period=request.period,
        at=at,
    )
