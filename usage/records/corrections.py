"""Void records, or correct their value."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from common.errors import NotFound
from common.partitions import Month
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Project
from usage.errors import UsageValueInvalid, UsageVoided
from usage.meters import representation
from usage.models import Record
from usage.models.meter import Aggregation
from usage.records import entry_checks, insert_records, retention
from usage.records.columns import RecordColumns
from usage.records.row import RecordRow
from usage.records.selectors import records
from usage.reporting import forwarding
from usage.totals import cache, record_ids, write_locks
from usage.totals import service as totals
from usage.totals.aggregation import TotalKey, hour_of
from usage.totals.service import LockedCounter


def void(*, project: Project, record_id: str, at: datetime) -> Record:
    """Void the record: it is kept and no longer counts. A second call changes nothing.

    Raises NotFound.
    """
    with transaction.atomic():
        record, counters = _lock(project, record_id, at)
        before = representation.record(record)
        if record.voided_at is None:
            _void(record, at)
            _recount(record, counters, at)
            previous = outbox.previous_values(before, representation.record(record))
            _record_event(EventType.USAGE_VOIDED, record, previous, at)
    return record


def correct(*, project: Project, record_id: str, value: int | str, at: datetime) -> Record:
    """Void the record and record another value at the same moment. Returns the new record.

    A second call with the same value changes nothing. Raises NotFound, UsageValueInvalid, and
    UsageVoided when the record was voided or corrected to another value before.
    """
    with transaction.atomic():
        record, counters = _lock(project, record_id, at)
        row = _row(record, value)
        if record.voided_at is None:
            _void(record, at)
            insert_records.insert(
                project_id=project.pk, records=RecordColumns.of([row]), at=at, corrects=record.id
            )
            _recount(record, counters, at)
            corrected = records.get(project=project, record_id=row.id)
            previous = outbox.previous_values({"value": record.value}, {"value": corrected.value})
            _record_event(EventType.USAGE_CORRECTED, corrected, previous, at)
            return corrected
        _check_repeat(project, row)
    return records.get(project=project, record_id=row.id)


def _lock(project: Project, record_id: str, at: datetime) -> tuple[Record, list[LockedCounter]]:
    """Locks in the order of all writers."""
    record = records.get(project=project, record_id=record_id)
    if retention.is_over(Month.of(record.occurred_at), at=at):
        raise NotFound(records.UNKNOWN)  # its table is being dropped
    customers.lock(project_id=project.pk, customer_id=record.customer_id)
    write_locks.lock_shared([record.customer_id])
    pair = (record.customer_id, record.meter_id)
    counters = totals.lock_counters(project_id=project.pk, pairs=[pair])
    return records.lock(project=project, record_id=record_id), counters


def _void(record: Record, at: datetime) -> None:
    record.voided_at, record.forwarding = at, forwarding.forwarding_after_void(record)
    record.forwarding_error = ""
    rows = records.rows_like(record)
    rows.update(voided_at=record.voided_at, forwarding=record.forwarding, forwarding_error="")


def _row(record: Record, value: int | str) -> RecordRow:
    """The row of the correction; its id follows from the record's id, so there is only one."""
    meter = record.meter
    if meter.aggregation == Aggregation.COUNT:
        raise UsageValueInvalid("A meter that counts records has no values; void the record.")
    if refusal := entry_checks.screen_value(value, meter.aggregation):
        raise refusal
    is_unique = meter.aggregation == Aggregation.UNIQUE
    return RecordRow(
        record_ids.of_key(meter.project_id, f"correct\0{record.id}"),
        record.customer_id,
        record.meter_id,
        record.occurred_at,
        1 if is_unique else int(value),
        record_ids.member(str(value)) if is_unique else None,
        meter.is_forwarded,
    )


def _check_repeat(project: Project, row: RecordRow) -> None:
    """Raise UsageVoided unless the void record was corrected to exactly this value."""
    earlier = insert_records.find(project_id=project.pk, ids=[row.id]).get(row.id)
    if earlier is None:
        raise UsageVoided("Record the usage again with POST /usage.")
    if not earlier.repeats(row):
        raise UsageVoided(f"It was corrected before: correct {row.id} instead.")


def _record_event(
    event_type: EventType, record: Record, previous: Mapping[str, object], at: datetime
) -> None:
    outbox.record(
        project_id=record.project_id,
        event_type=event_type,
        subject=record.id,
        customer_id=record.customer_id,
        version=record.customer.version,
        data=representation.record(record),
        previous=previous,
        at=at,
    )


def _recount(record: Record, counters: list[LockedCounter], at: datetime) -> None:
    """Recompute the total of the hour, and the counters whose windows hold it."""
    hour = hour_of(record.occurred_at)
    key = TotalKey(record.customer_id, record.meter_id, hour)
    totals.recompute_hour(project_id=record.project_id, key=key)
    in_window = [counter for counter in counters if counter.starts_at <= hour < counter.ends_at]
    totals.recount(project_id=record.project_id, counters=in_window)
    if record.meter.is_watched:
        pair = (record.customer_id, record.meter_id)
        totals.record_movements(project_id=record.project_id, pairs=[pair], at=at)
        names = (record.customer_id, record.customer.user_id)
        transaction.on_commit(
            lambda: cache.forget(project_id=record.project_id, names=names), robust=True
        )
