"""Monthly partitions of records are created, filled and dropped."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from common import partitions
from common.errors import NotFound
from common.partitions import Month
from projects.models import Project
from tests.factories.usage import NOW, MeterFactory
from tests.usage import law
from usage.models import Record, RecordKey, RetentionProgress, Total
from usage.models.record import RECORD_MONTHS
from usage.records import corrections, recording, retention
from usage.records.recording import RecordStatus, UsageEntry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_months(db: None) -> None:
    """Whatever months the chore has made in an earlier test are not there."""
    for month in partitions.months(RECORD_MONTHS):
        partitions.drop(RECORD_MONTHS, month)


def rows_in(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_record WHERE tableoid = %s::regclass", [table])
        return int(cursor.fetchone()[0])


def record(project: Project, at: datetime, key: str, back: timedelta = timedelta()) -> str:
    (outcome,) = recording.record(
        project=project, entries=[UsageEntry("ada", "bytes", 5, at - back, key)], at=at
    )
    assert outcome.status is RecordStatus.RECORDED
    return outcome.id


def test_months_are_created_without_gaps() -> None:
    december = Month(2026, 12)
    assert december.after() == Month(2027, 1)
    assert december.after(13) == Month(2028, 1)
    assert RECORD_MONTHS.partition(december) == "usage_record_2026_12"
    offset = datetime.fromisoformat("2026-12-31T23:30:00-01:00")
    assert (Month.of(offset), december.starts_at) == (
        Month(2027, 1),
        datetime(2026, 12, 1, tzinfo=UTC),
    )


def test_months_are_created_and_dropped_over_a_year_and_a_half(project: Project) -> None:
    """Records go to the rest before the chore has run, and to their own month from then on."""
    meter = MeterFactory.create(project=project, code="bytes")
    first = record(project, NOW, "first")
    late = record(project, NOW, "late", back=timedelta(days=34))
    assert rows_in("usage_record_rest") == 2

    new_months = partitions.make(RECORD_MONTHS, at=NOW)

    assert new_months == [Month(2026, 10), *(Month(2026, 11).after(n) for n in range(4))]
    assert partitions.make(RECORD_MONTHS, at=NOW) == []
    assert partitions.months(RECORD_MONTHS) == new_months
    tables = ("usage_record_rest", *map(RECORD_MONTHS.partition, new_months[:2]))
    places = [rows_in(name) for name in tables]
    assert places == [0, 1, 1]
    at = NOW
    for number in range(17):
        at += timedelta(days=31)
        record(project, at, f"key-{number}", back=timedelta(hours=number))
        partitions.make(RECORD_MONTHS, at=at)
        retention.drop_old(at=at)
        assert rows_in("usage_record_rest") == 0
    months = partitions.months(RECORD_MONTHS)
    assert months[-1] == Month.of(at).after(3)
    assert months[0].after().starts_at > at - timedelta(days=396) >= months[0].starts_at
    gone = {first, late}
    keys = set(RecordKey.objects.for_project(project).values_list("id", flat=True))
    assert keys == set(Record.objects.for_project(project).values_list("id", flat=True))
    assert not keys & gone
    assert Total.objects.for_project(project).filter(meter=meter).count() == 19, "totals stay"
    with pytest.raises(Exception, match="No record with this id"):
        corrections.void(project=project, record_id=first, at=at)
    assert record(project, at, "first") == first, "a key is new again when its record is gone"


def test_moved_records_can_be_repeated_voided_and_corrected(project: Project) -> None:
    MeterFactory.create(project=project, code="bytes")
    ids = [record(project, NOW, f"key-{number}") for number in range(3)]

    partitions.make(RECORD_MONTHS, at=NOW)

    again = recording.record(
        project=project, entries=[UsageEntry("ada", "bytes", 5, NOW, "key-0")], at=NOW
    )
    assert [(each.status, each.id) for each in again] == [(RecordStatus.DUPLICATE, ids[0])]
    corrections.void(project=project, record_id=ids[0], at=NOW)
    corrections.correct(project=project, record_id=ids[1], value=9, at=NOW)
    assert Total.objects.for_project(project).get().sum == 14
    assert law.is_kept(project)


def test_indexes_and_columns_of_a_month_are_those_of_the_table() -> None:
    (month,) = partitions.make(RECORD_MONTHS, at=NOW)[:1]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid "
            "WHERE indrelid = %s::regclass",
            [RECORD_MONTHS.partition(month)],
        )
        (attached,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM pg_index WHERE indrelid = 'usage_record'::regclass")
        assert (attached,) == cursor.fetchone()
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass",
            [RECORD_MONTHS.partition(month)],
        )
        assert cursor.fetchall() == []


def test_a_month_that_takes_several_runs_is_dropped(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run goes on where the one before it was ended, and not at the first record."""
    monkeypatch.setattr(retention, "BATCH", 3)
    MeterFactory.create(project=project, code="bytes")
    partitions.make(RECORD_MONTHS, at=NOW)
    month = Month.of(NOW)
    for number in range(10):
        record(project, NOW, f"key {number}", back=timedelta(minutes=number % 4))
    later = NOW + timedelta(days=500)
    with pytest.raises(NotFound):
        corrections.void(project=project, record_id=some_id(project), at=later)
    left = []
    for _ in range(4):
        seconds = iter([0, 0, 100])
        assert retention.drop_old(at=later, clock=lambda: next(seconds)) == []  # noqa: B023
        left.append(RecordKey.objects.for_project(project).count())
    assert left == [7, 4, 1, 0]
    assert rows_in(RECORD_MONTHS.partition(month)) == 10
    assert month in retention.drop_old(at=later)
    assert not RetentionProgress.objects.exists()


def some_id(project: Project) -> str:
    return str(Record.objects.for_project(project).values_list("id", flat=True)[0])
