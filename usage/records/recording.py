"""Record usage: each record once, counted in the transaction that stores it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction

from common.errors import DomainError
from projects.customers import service as customers
from projects.models import Project
from usage.errors import UsageKeyReused
from usage.meters import selectors as meter_rows
from usage.models import Meter
from usage.records import drafts, entry_checks, insert_records
from usage.records.columns import EntryColumns, RecordColumns
from usage.records.entry_checks import AcceptedTimes
from usage.records.row import RecordRow
from usage.totals import cache, write_locks
from usage.totals import service as totals
from usage.totals.aggregation import TotalChanges, add_up_by_hour

MAX_ENTRIES = 1000
"""Entries in one call. Their values' sum has to fit into a bigint."""


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


class RecordResults(NamedTuple):
    """The results of many entries by position: ``exceptions`` are those that were not recorded."""

    ids: Sequence[str]
    """Ids of recorded entries; the id at the position of an exception means nothing."""
    exceptions: Mapping[int, RecordResult]


def record(*, project: Project, entries: Sequence[UsageEntry], at: datetime) -> list[RecordResult]:
    """:func:`record_columns` of entries; the result of each, in the same order."""
    columns = EntryColumns(*zip(*entries, strict=True))
    ids, exceptions = record_columns(project=project, entries=columns, at=at)
    return [
        exceptions.get(position) or RecordResult(RecordStatus.RECORDED, record_id)
        for position, record_id in enumerate(ids)
    ]


def record_columns(*, project: Project, entries: EntryColumns, at: datetime) -> RecordResults:
    """Store and count up to 1,000 entries.

    A refused entry leaves nothing behind and does not affect the others. An entry whose key was
    used before is not counted: it is a duplicate when it is equal (without ``occurred_at`` any
    moment is equal), refused otherwise. Unknown customers are created.
    """
    meters = meter_rows.find_many(project=project, codes=set(entries.codes))
    times = AcceptedTimes(at - settings.USAGE.late_window, at, at + settings.USAGE.early_window)
    refusals = entry_checks.find_refusals(
        codes=entries.codes,
        values=entries.values,
        moments=entries.moments,
        meters=meters,
        times=times,
    )
    user_ids = set(entries.user_ids)
    if refusals:
        user_ids = {
            user_id for position, user_id in enumerate(entries.user_ids) if position not in refusals
        }
    batch = _ScreenedBatch(entries, refusals, user_ids, meters)
    if not user_ids:
        return _build_results(batch.refusals, [""] * len(entries.user_ids), {})
    try:
        return _store(project, batch, at, may_be_new=True)
    except IntegrityError:  # a batch that looks new has a record that exists
        return _store(project, batch, at, may_be_new=False)


class _ScreenedBatch(NamedTuple):
    """Entries, and what is known of them before the database is asked for their customers."""

    entries: EntryColumns
    refusals: Mapping[int, DomainError]
    """By position; an entry without one is acceptable."""
    user_ids: Collection[str]
    """The users of acceptable entries."""
    meters: Mapping[str, Meter]


def _store(
    project: Project, batch: _ScreenedBatch, at: datetime, *, may_be_new: bool
) -> RecordResults:
    """Store and count the acceptable entries. With ``may_be_new`` raises IntegrityError, and
    leaves nothing behind, if a batch that looks new is not."""
    with transaction.atomic():
        customer_ids = customers.ensure_ids(project=project, user_ids=batch.user_ids, at=at)
        refusals = _refuse_erased(batch, customer_ids)
        positions: Sequence[int] = range(len(batch.entries.user_ids))
        entries = batch.entries
        if refusals:
            positions = [position for position in positions if position not in refusals]
            entries = entries.take(positions)
        records = drafts.build(
            entries, project_id=project.pk, customer_ids=customer_ids, meters=batch.meters, at=at
        )
        firsts = _find_firsts(records.ids)
        new = records if len(firsts) == len(records.ids) else records.take([*firsts.values()])
        earlier = _write(project.pk, new, batch.meters, at, may_be_new=may_be_new)
        _invalidate(project.pk, new, batch.meters, customer_ids)
    ids = list(records.ids)
    repeated = {}
    if earlier or len(firsts) < len(ids):
        repeated = _judge_repeated(entries, records, firsts, earlier)
    if not refusals:
        return _build_results({}, ids, repeated)
    ids_by_position = dict(zip(positions, ids, strict=True))
    return _build_results(
        refusals,
        [ids_by_position.get(position, "") for position in range(len(batch.entries.user_ids))],
        {positions[number]: result for number, result in repeated.items()},
    )


def _refuse_erased(
    batch: _ScreenedBatch, customer_ids: Mapping[str, str]
) -> Mapping[int, DomainError]:
    """The refusals with those of erased customers, who have no id."""
    if len(customer_ids) == len(batch.user_ids):
        return batch.refusals
    erased = {
        position: customers.CustomerDeleted(
            "Use your own id of the user: it creates a new customer."
        )
        for position, user_id in enumerate(batch.entries.user_ids)
        if user_id not in customer_ids
    }
    return {**erased, **batch.refusals}


def _find_firsts(ids: Sequence[str]) -> dict[str, int]:
    """The position of the first record with each id: of several it is the one that is meant."""
    if len(set(ids)) == len(ids):
        return dict(zip(ids, range(len(ids)), strict=True))
    return dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))


def _write(
    project_id: str,
    records: RecordColumns,
    meters: Mapping[str, Meter],
    at: datetime,
    *,
    may_be_new: bool,
) -> dict[str, RecordRow]:
    """Store and count new records; returns the existing ones by id."""
    if not records.ids:
        return {}
    is_whole = may_be_new and len(records.ids) >= insert_records.WHOLE_FROM
    write_locks.lock_shared(set(records.customer_ids))
    pairs = set(zip(records.customer_ids, records.meter_ids, strict=True))
    counters = totals.lock_counters(project_id=project_id, pairs=list(pairs))
    changes = _add_up(records)
    earlier: dict[str, RecordRow] = {}
    if not is_whole or not insert_records.insert_new(
        project_id=project_id, records=records, changes=changes, at=at
    ):
        earlier = insert_records.insert(project_id=project_id, records=records, at=at)
        if earlier:
            changes = _add_up(
                records.take([n for n, id_ in enumerate(records.ids) if id_ not in earlier])
            )
    totals.follow_totals(
        project_id=project_id,
        changes=changes,
        counters=counters,
        meters={meter.pk: meter for meter in meters.values()},
        at=at,
    )
    return earlier


def _add_up(records: RecordColumns) -> TotalChanges:
    return add_up_by_hour(
        customer_ids=records.customer_ids,
        meter_ids=records.meter_ids,
        values=records.values,
        moments=records.moments,
    )


def _invalidate(
    project_id: str,
    records: RecordColumns,
    meters: Mapping[str, Meter],
    customer_ids: Mapping[str, str],
) -> None:
    """After the commit, delete cached decisions that depend on these meters."""
    watched = {meter.pk for meter in meters.values() if meter.is_watched}
    if not watched:
        return
    pairs = zip(records.customer_ids, records.meter_ids, strict=True)
    watched_customers = {customer_id for customer_id, meter_id in pairs if meter_id in watched}
    names = {
        *watched_customers,
        *(name for name, customer in customer_ids.items() if customer in watched_customers),
    }
    transaction.on_commit(lambda: cache.forget(project_id=project_id, names=names), robust=True)


def _judge_repeated(
    entries: EntryColumns,
    records: RecordColumns,
    firsts: Mapping[str, int],
    earlier: Mapping[str, RecordRow],
) -> dict[int, RecordResult]:
    """The results of records whose id exists, or belongs to a record before them, by position."""
    results = {}
    for position, record_id in enumerate(records.ids):
        first = firsts[record_id]
        stored = earlier.get(record_id)
        if stored is None and first == position:
            continue
        stored = stored or records.row(first)
        is_equal = stored.repeats(records.row(position))
        if is_equal and entries.moments[position] in (None, stored.occurred_at):
            results[position] = RecordResult(RecordStatus.DUPLICATE, record_id)
        else:
            refusal = UsageKeyReused("Send a different key with each record.")
            results[position] = RecordResult(RecordStatus.REFUSED, refusal=refusal)
    return results


def _build_results(
    refusals: Mapping[int, DomainError],
    ids: Sequence[str],
    repeated: Mapping[int, RecordResult],
) -> RecordResults:
    refused = {
        position: RecordResult(RecordStatus.REFUSED, refusal=refusal)
        for position, refusal in refusals.items()
    }
    return RecordResults(ids, {**refused, **repeated})
