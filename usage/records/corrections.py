"""Take back what was recorded by mistake, or put another value in its place."""

from datetime import datetime

from django.db import transaction

from common.errors import NotFound
from common.partitions import Month
from projects.models import Project
from usage.errors import UsageValueInvalid, UsageVoided
from usage.models import Record
from usage.models.meter import Aggregation
from usage.records import insert_records as storing
from usage.records import recording, retention
from usage.records.row import Row
from usage.records.selectors import records
from usage.reporting import forwarding
from usage.totals import cache, record_ids
from usage.totals import service as totals
from usage.totals import write_locks as stripes
from usage.totals.aggregation import Place, hour_of
from usage.totals.service import Counted


def void(*, project: Project, record_id: str, at: datetime) -> Record:
    """The record does not count any more; it stays to be seen. Again is no change.

    Raises NotFound.
    """
    with transaction.atomic():
        record, counters = _lock(project, record_id, at)
        if record.voided_at is None:
            _void(record, at)
            _count_again(record, counters, at)
    return record


def correct(*, project: Project, record_id: str, value: int | str, at: datetime) -> Record:
    """The record is void, and a new one of the same moment has this value; which is that.

    The same correction again is no change. Raises NotFound, UsageValueInvalid, and UsageVoided
    where the record was voided or corrected to another value before.
    """
    with transaction.atomic():
        record, counters = _lock(project, record_id, at)
        row = _row(record, value)
        if record.voided_at is None:
            _void(record, at)
            storing.store(project_id=project.pk, rows=[row], at=at, corrects=record.id)
            _count_again(record, counters, at)
        else:
            _insist(project, row)
    return records.get(project=project, record_id=row.id)


def _lock(project: Project, record_id: str, at: datetime) -> tuple[Record, list[Counted]]:
    """In the order in which everybody locks."""
    found = records.get(project=project, record_id=record_id)
    if retention.is_over(Month.of(found.occurred_at), at=at):
        raise NotFound(records.UNKNOWN)  # its table is being dropped
    stripes.share([found.customer_id])
    pair = (found.customer_id, found.meter_id)
    counters = totals.lock_counters(project_id=project.pk, pairs=[pair])
    return records.lock(project=project, record_id=record_id), counters


def _void(record: Record, at: datetime) -> None:
    record.voided_at, record.forwarding = at, forwarding.after_void(record)
    same = records.rows_like(record)
    same.update(voided_at=record.voided_at, forwarding=record.forwarding, forwarding_error="")


def _row(record: Record, value: int | str) -> Row:
    """What takes the record's place; its id follows from the record's, so there is only one."""
    meter = record.meter
    if meter.aggregation == Aggregation.COUNT:
        raise UsageValueInvalid("A meter that counts records has no values; void the record.")
    if refusal := recording.screen_value(value, meter.aggregation):
        raise refusal
    is_unique = meter.aggregation == Aggregation.UNIQUE
    return Row(
        record_ids.of_key(meter.project_id, f"correct\0{record.id}"),
        record.customer_id,
        record.meter_id,
        record.occurred_at,
        1 if is_unique else int(value),
        record_ids.member(str(value)) if is_unique else None,
        meter.is_forwarded,
    )


def _insist(project: Project, row: Row) -> None:
    """That the void record was corrected in this very way."""
    before = storing.find(project_id=project.pk, ids=[row.id]).get(row.id)
    if before is None:
        raise UsageVoided("Record the use anew with POST /usage.")
    if not before.repeats(row):
        raise UsageVoided(f"It was corrected before: correct {row.id} instead.")


def _count_again(record: Record, counters: list[Counted], at: datetime) -> None:
    """The total of the hour, and the counters whose windows hold it."""
    hour = hour_of(record.occurred_at)
    place = Place(record.customer_id, record.meter_id, hour)
    totals.recompute_hour(project_id=record.project_id, place=place)
    within = [each for each in counters if each.starts_at <= hour < each.ends_at]
    totals.recount(project_id=record.project_id, counters=within)
    if record.meter.is_watched:
        pair = (record.customer_id, record.meter_id)
        totals.note(project_id=record.project_id, pairs=[pair], at=at)
        names = (record.customer_id, record.customer.user_id)
        transaction.on_commit(
            lambda: cache.forget(project_id=record.project_id, names=names), robust=True
        )
