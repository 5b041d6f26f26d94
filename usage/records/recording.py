"""Record usage: each record once, counted in the transaction that stores it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from common.errors import DomainError
from projects.customers import service as customers
from projects.models import Project
from usage.errors import (
    MeterArchived,
    MeterUnknown,
    UsageInFuture,
    UsageKeyReused,
    UsageTooOld,
    UsageValueInvalid,
)
from usage.meters import selectors as meter_rows
from usage.models import Meter
from usage.models.meter import Aggregation
from usage.records import insert_records
from usage.records.row import RecordRow
from usage.totals import cache, record_ids, write_locks
from usage.totals import service as totals

MAX_ENTRIES = 1000
"""Entries in one call."""
MAX_VALUE = 2**53 - 1
"""Every JSON reader represents it exactly."""
MAX_TEXT_LENGTH = 255
"""Characters of a value of a ``unique`` meter."""
COUNT, UNIQUE = Aggregation.COUNT.value, Aggregation.UNIQUE.value

GET_PAIR = attrgetter("customer_id", "meter_id")
GET_USE = attrgetter("customer_id", "meter_id", "value", "occurred_at")


class UsageEntry(NamedTuple):
    """One use as its sender reports it. Without ``occurred_at`` it happened when it arrives."""

    user_id: str
    meter: str
    value: int | str | None = None
    occurred_at: datetime | None = None
    key: str | None = None


class RecordStatus(StrEnum):
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class RecordResult(NamedTuple):
    """The result of one entry; ``id`` is empty when it was refused."""

    status: RecordStatus
    id: str = ""
    refusal: DomainError | None = None


def record(*, project: Project, entries: Sequence[UsageEntry], at: datetime) -> list[RecordResult]:
    """Store and count up to 1,000 entries. Returns their results in the same order.

    A refused entry leaves nothing behind and does not affect the others. An entry whose key was
    used before is not counted: it is a duplicate when it is equal (without ``occurred_at`` any
    moment is equal), refused otherwise. Unknown customers are created.
    """
    columns = _EntryColumns(*zip(*entries, strict=True))
    meters = meter_rows.find_many(project=project, codes=set(columns.codes))
    times = _AcceptedTimes(at - settings.USAGE.late_window, at, at + settings.USAGE.early_window)
    screened: list[DomainError | None] = [None] * len(entries)
    is_acceptable = _are_all_acceptable(columns, meters, times)
    if not is_acceptable:
        screened = [_screen(entry, meters.get(entry.meter), times) for entry in entries]
    accepted = zip(columns.user_ids, screened, strict=True)
    user_ids = {user_id for user_id, refusal in accepted if refusal is None}
    if not user_ids:
        return [RecordResult(RecordStatus.REFUSED, refusal=refusal) for refusal in screened]
    with transaction.atomic():
        customer_ids = customers.ensure_ids(project=project, user_ids=user_ids, at=at)
        drafts: Sequence[RecordRow | DomainError]
        if is_acceptable and len(customer_ids) == len(user_ids):
            drafts = new_rows = _build_rows(columns, customer_ids, meters, at)
        else:
            drafts = [
                refusal or _build_row(entry, customer_ids, meters[entry.meter], at)
                for entry, refusal in zip(entries, screened, strict=True)
            ]
            new_rows = [draft for draft in drafts if isinstance(draft, RecordRow)]
        rows = {row.id: row for row in new_rows}
        if len(rows) < len(new_rows):  # of those with one id the first is meant
            rows = {row.id: row for row in reversed(new_rows)}
        earlier = _write(project.pk, list(rows.values()), meters, at)
        _invalidate(project.pk, rows.values(), meters, customer_ids)
    if not earlier and len(rows) == len(entries):
        return list(map(_build_recorded, rows))
    pairs = zip(entries, drafts, strict=True)
    return [_build_result(entry, draft, rows, earlier) for entry, draft in pairs]


_make_row = RecordRow._make  # much cheaper than keyword arguments
RECORDED = RecordStatus.RECORDED


class _AcceptedTimes(NamedTuple):
    """The moments between which a use that arrives now may have occurred."""

    earliest: datetime
    now: datetime
    latest: datetime


class _EntryColumns(NamedTuple):
    """Entries by field: a thousand are checked and written by a few calls."""

    user_ids: tuple[str, ...]
    codes: tuple[str, ...]
    values: tuple[int | str | None, ...]
    moments: tuple[datetime | None, ...]
    keys: tuple[str | None, ...]


def _are_all_acceptable(
    columns: _EntryColumns, meters: Mapping[str, Meter], times: _AcceptedTimes
) -> bool:
    """Whether :func:`_screen` refuses none of them."""
    codes = set(columns.codes)
    if not all(code in meters and meters[code].archived_at is None for code in codes):
        return False
    moments = set(columns.moments) - {None}
    if not all(times.earliest <= moment <= times.latest for moment in moments if moment):
        return False
    if len(codes) == 1:
        return _are_values(columns.values, meters[columns.codes[0]].aggregation)
    values_by_code: dict[str, list[int | str | None]] = {code: [] for code in codes}
    for code, value in zip(columns.codes, columns.values, strict=True):
        values_by_code[code].append(value)
    return all(
        _are_values(values, meters[code].aggregation) for code, values in values_by_code.items()
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


def _screen(entry: UsageEntry, meter: Meter | None, times: _AcceptedTimes) -> DomainError | None:
    """The refusal for the entry's meter, time or value; None when it is acceptable."""
    if meter is None:
        return MeterUnknown("Define it with POST /meters, or see GET /meters for what there is.")
    if meter.archived_at is not None:
        return MeterArchived("Restore it with PATCH /meters/{code}, or count with another one.")
    if entry.occurred_at is not None:
        if entry.occurred_at > times.latest:
            return UsageInFuture("Send a record once the use has happened; check your clock.")
        if entry.occurred_at < times.earliest:
            days = (times.now - times.earliest).days
            return UsageTooOld(f"Send records within {days} days of the use.")
    return screen_value(entry.value, meter.aggregation)


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


def _build_row(
    entry: UsageEntry, customer_ids: Mapping[str, str], meter: Meter, at: datetime
) -> RecordRow | DomainError:
    """The row to store, or the refusal."""
    customer_id = customer_ids.get(entry.user_id)
    if customer_id is None:
        return customers.CustomerDeleted("Use your own id of the user: it creates a new customer.")
    (record_id,) = record_ids.of_keys([entry.key], project_id=meter.project_id, at=at)
    value, member = _value_and_member(entry.value, meter.aggregation)
    moment = entry.occurred_at or at
    return _make_row((record_id, customer_id, meter.id, moment, value, member, meter.is_forwarded))


def _build_rows(
    columns: _EntryColumns,
    customer_ids_by_user: Mapping[str, str],
    meters: Mapping[str, Meter],
    at: datetime,
) -> list[RecordRow]:
    """:func:`_build_row` of every entry, when none is refused."""
    first = meters[columns.codes[0]]
    ids = record_ids.of_keys(columns.keys, project_id=first.project_id, at=at)
    customer_ids = map(customer_ids_by_user.__getitem__, columns.user_ids)
    moments = [moment or at for moment in columns.moments]
    if len(meters) == 1 and first.aggregation not in (COUNT, UNIQUE):
        meter_id, member, is_forwarded = map(repeat, (first.id, None, first.is_forwarded))
        rows = zip(
            ids, customer_ids, meter_id, moments, columns.values, member, is_forwarded, strict=False
        )
        return list(map(_make_row, rows))
    meters_of_entries = [meters[code] for code in columns.codes]
    aggregations = [meter.aggregation for meter in meters_of_entries]
    values_and_members = map(_value_and_member, columns.values, aggregations)
    return [
        _make_row((record_id, customer_id, meter.id, moment, value, member, meter.is_forwarded))
        for record_id, customer_id, meter, moment, (value, member) in zip(
            ids, customer_ids, meters_of_entries, moments, values_and_members, strict=True
        )
    ]


def _value_and_member(value: int | str | None, aggregation: str) -> tuple[int, bytes | None]:
    """The columns ``value`` and ``member`` of a screened value."""
    if aggregation == COUNT:
        return 1, None
    if aggregation == UNIQUE:
        return 1, record_ids.member(str(value))
    return int(value or 0), None


def _write(
    project_id: str, rows: Sequence[RecordRow], meters: Mapping[str, Meter], at: datetime
) -> dict[str, RecordRow]:
    """Store and count new rows; returns the existing ones by id."""
    if not rows:
        return {}
    write_locks.lock_shared({row.customer_id for row in rows})
    pairs = set(map(GET_PAIR, rows))
    counters = totals.lock_counters(project_id=project_id, pairs=list(pairs))
    earlier = insert_records.store(project_id=project_id, rows=rows, at=at)
    new_rows = [row for row in rows if row.id not in earlier] if earlier else rows
    if new_rows:
        uses = map(GET_USE, new_rows)
        by_id = {meter.pk: meter for meter in meters.values()}
        totals.add(project_id=project_id, uses=uses, counters=counters, meters=by_id, at=at)
    return earlier


def _invalidate(
    project_id: str,
    rows: Iterable[RecordRow],
    meters: Mapping[str, Meter],
    customer_ids: Mapping[str, str],
) -> None:
    """After the commit, delete cached decisions that depend on these meters."""
    watched = {meter.pk for meter in meters.values() if meter.is_watched}
    if not watched:
        return
    watched_customers = {row.customer_id for row in rows if row.meter_id in watched}
    names = {
        *watched_customers,
        *(name for name, customer in customer_ids.items() if customer in watched_customers),
    }
    transaction.on_commit(lambda: cache.forget(project_id=project_id, names=names), robust=True)


def _build_recorded(record_id: str) -> RecordResult:
    return RecordResult._make((RECORDED, record_id, None))


def _build_result(
    entry: UsageEntry,
    draft: RecordRow | DomainError,
    rows: Mapping[str, RecordRow],
    earlier: Mapping[str, RecordRow],
) -> RecordResult:
    if not isinstance(draft, RecordRow):
        return RecordResult(RecordStatus.REFUSED, refusal=draft)
    stored = earlier.get(draft.id, rows[draft.id])
    if stored is draft:
        return _build_recorded(draft.id)
    if stored.repeats(draft) and entry.occurred_at in (None, stored.occurred_at):
        return RecordResult(RecordStatus.DUPLICATE, draft.id)
    return RecordResult(
        RecordStatus.REFUSED, refusal=UsageKeyReused("Send a different key with each record.")
    )
