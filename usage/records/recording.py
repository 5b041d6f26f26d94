"""Record usage: each record once, counted in the transaction that stores it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from operator import attrgetter
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction

from common.errors import DomainError
from projects.customers import service as customers
from projects.models import Project
from usage.errors import UsageKeyReused
from usage.meters import selectors as meter_rows
from usage.models import Meter
from usage.records import entry_checks, insert_records
from usage.records.entry_checks import COUNT, UNIQUE, AcceptedTimes
from usage.records.row import RecordRow
from usage.totals import cache, record_ids, write_locks
from usage.totals import service as totals
from usage.totals.aggregation import group_by_hour

MAX_ENTRIES = 1000
"""Entries in one call. Their values' sum has to fit into a bigint."""
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
    times = AcceptedTimes(at - settings.USAGE.late_window, at, at + settings.USAGE.early_window)
    screened: list[DomainError | None] = [None] * len(entries)
    if not entry_checks.are_all_acceptable(
        codes=columns.codes,
        values=columns.values,
        moments=columns.moments,
        meters=meters,
        times=times,
    ):
        screened = [
            entry_checks.screen(
                entry.value, entry.occurred_at, meter=meters.get(entry.meter), times=times
            )
            for entry in entries
        ]
    accepted = zip(columns.user_ids, screened, strict=True)
    user_ids = {user_id for user_id, refusal in accepted if refusal is None}
    if not user_ids:
        return [RecordResult(RecordStatus.REFUSED, refusal=refusal) for refusal in screened]
    batch = _ScreenedBatch(entries, columns, screened, user_ids, meters)
    try:
        return _store(project, batch, at, may_be_new=True)
    except IntegrityError:  # a batch that looks new has a record that exists
        return _store(project, batch, at, may_be_new=False)


_make_row = RecordRow._make  # much cheaper than keyword arguments
RECORDED = RecordStatus.RECORDED


class _EntryColumns(NamedTuple):
    """Entries by field: a thousand are checked and written by a few calls."""

    user_ids: tuple[str, ...]
    codes: tuple[str, ...]
    values: tuple[int | str | None, ...]
    moments: tuple[datetime | None, ...]
    keys: tuple[str | None, ...]


class _ScreenedBatch(NamedTuple):
    """Entries, and what is known of them before the database is asked for their customers."""

    entries: Sequence[UsageEntry]
    columns: _EntryColumns
    refusals: Sequence[DomainError | None]
    """The refusal of each entry; None if it is acceptable."""
    user_ids: Collection[str]
    """The users of acceptable entries."""
    meters: Mapping[str, Meter]


def _store(
    project: Project, batch: _ScreenedBatch, at: datetime, *, may_be_new: bool
) -> list[RecordResult]:
    """Store and count the acceptable entries. With ``may_be_new`` raises IntegrityError, and
    leaves nothing behind, if a batch that looks new is not."""
    with transaction.atomic():
        customer_ids = customers.ensure_ids(project=project, user_ids=batch.user_ids, at=at)
        drafts = _build_drafts(batch, customer_ids, at)
        new_rows = [draft for draft in drafts if isinstance(draft, RecordRow)]
        rows = {row.id: row for row in new_rows}
        if len(rows) < len(new_rows):  # of those with one id the first is meant
            rows = {row.id: row for row in reversed(new_rows)}
        earlier = _write(project.pk, list(rows.values()), batch.meters, at, may_be_new=may_be_new)
        _invalidate(project.pk, rows.values(), batch.meters, customer_ids)
    if not earlier and len(rows) == len(drafts):
        return list(map(_build_recorded, rows))
    pairs = zip(batch.entries, drafts, strict=True)
    return [_build_result(entry, draft, rows, earlier) for entry, draft in pairs]


def _build_drafts(
    batch: _ScreenedBatch, customer_ids: Mapping[str, str], at: datetime
) -> Sequence[RecordRow | DomainError]:
    """The row or the refusal of each entry."""
    if len(customer_ids) == len(batch.user_ids) and not any(batch.refusals):
        return _build_rows(batch.columns, customer_ids, batch.meters, at)
    return [
        refusal or _build_row(entry, customer_ids, batch.meters[entry.meter], at)
        for entry, refusal in zip(batch.entries, batch.refusals, strict=True)
    ]


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
    project_id: str,
    rows: Sequence[RecordRow],
    meters: Mapping[str, Meter],
    at: datetime,
    *,
    may_be_new: bool,
) -> dict[str, RecordRow]:
    """Store and count new rows; returns the existing ones by id."""
    if not rows:
        return {}
    is_whole = may_be_new and len(rows) >= insert_records.WHOLE_FROM
    write_locks.lock_shared({row.customer_id for row in rows})
    counters = totals.lock_counters(project_id=project_id, pairs=list(set(map(GET_PAIR, rows))))
    total_changes = group_by_hour(map(GET_USE, rows))
    earlier: dict[str, RecordRow] = {}
    if not is_whole or not insert_records.insert_new(
        project_id=project_id, rows=rows, total_changes=total_changes, at=at
    ):
        earlier = insert_records.insert(project_id=project_id, rows=rows, at=at)
        if earlier:
            total_changes = group_by_hour(GET_USE(row) for row in rows if row.id not in earlier)
    totals.follow_totals(
        project_id=project_id,
        total_changes=total_changes,
        counters=counters,
        meters={meter.pk: meter for meter in meters.values()},
        at=at,
    )
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
