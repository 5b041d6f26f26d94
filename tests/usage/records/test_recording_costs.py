"""Batches of records cost few statements, and parallel writers count each record once."""

import random
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.factories.usage import NOW, MeterFactory
from tests.usage import law
from tests.usage.records.record_calls import (
    PERIODS,
    entry,
    make_counters,
    meters_of_every_kind,
    record_entries,
)
from usage.meters import service as meters
from usage.models import Meter, Movement, Record, Total
from usage.models.record import Forwarding
from usage.records import corrections
from usage.records.insert_records import WHOLE_FROM
from usage.records.recording import RecordResult, RecordStatus, UsageEntry
from usage.totals import counters

pytestmark = pytest.mark.django_db


THREADS = 8


def test_only_watched_meters_note_and_forwarded_meters_wait(project: Project) -> None:
    watched = MeterFactory.create(project=project, code="watched")
    MeterFactory.create(project=project, code="told", is_forwarded=True)
    meters.watch(meter=watched)

    record_entries(project, UsageEntry("ada", "watched", 1), UsageEntry("ada", "told", 1))
    record_entries(project, UsageEntry("ada", "watched", 1))

    moved = Movement.objects.for_project(project).values_list("meter__code", "moved_at")
    assert list(moved) == [("watched", NOW)]
    rows = Record.objects.for_project(project).order_by("meter__code")
    assert list(rows.values_list("meter__code", "forwarding")) == [
        ("told", Forwarding.PENDING),
        ("watched", Forwarding.NONE),
        ("watched", Forwarding.NONE),
    ]


def test_both_statements_store_the_same_records_and_know_duplicates(
    project: Project,
) -> None:
    kinds = meters_of_every_kind(project)
    Meter.objects.for_project(project).filter(code="sum").update(is_forwarded=True)
    chance = random.Random(7)
    batch = [entry(chance, chance.choice(list(kinds))) for _ in range(300)]
    few = record_entries(project, *batch[: WHOLE_FROM - 1])
    make_counters(project, kinds, PERIODS)
    many = record_entries(project, *batch[WHOLE_FROM - 1 :])
    assert {each.status for each in few + many} == {RecordStatus.RECORDED}
    rows = Record.objects.for_project(project).select_related("meter")
    assert all(
        row.forwarding == (Forwarding.PENDING if row.meter.code == "sum" else Forwarding.NONE)
        and (row.member is not None) == (row.meter.aggregation == "unique")
        and (row.corrects, row.forwarding_error, row.voided_at) == ("", "", None)
        for row in rows
    )
    again = record_entries(project, *batch, entry(chance, "sum"))
    assert [each.status for each in again] == [RecordStatus.DUPLICATE] * 300 + [
        RecordStatus.RECORDED
    ]
    assert [each.id for each in again[:300]] == [each.id for each in few + many]
    assert rows.all().count() == 301
    assert law.is_kept(project)


def test_a_batch_takes_as_many_queries_as_one_record(project: Project) -> None:
    MeterFactory.create(project=project, code="bytes")
    record_entries(project, *(UsageEntry(f"user-{number}", "bytes", 1) for number in range(100)))
    counts = []
    for size in (1, 1000):
        with CaptureQueriesContext(connection) as queries:
            record_entries(
                project, *(UsageEntry(f"user-{n % 100}", "bytes", n) for n in range(size))
            )
        counts.append(len(queries))
    with CaptureQueriesContext(connection) as queries:
        record_entries(project, *(UsageEntry(f"new-{number}", "bytes", 1) for number in range(200)))

    assert counts == [7, 7]  # two of them begin and end the transaction
    assert len(queries) == 11  # customers and what is told of them, in a transaction of their own


def test_a_batch_with_a_known_record_in_the_middle_is_judged_record_by_record(
    project: Project,
) -> None:
    """Nothing of the first attempt stays: no total is raised, and no customer created, twice."""
    MeterFactory.create(project=project, code="bytes")
    entry_60 = UsageEntry("ada", "bytes", 7, NOW, "key-60")
    record_entries(project, entry_60)
    batch = [UsageEntry(f"new-{n % 9}", "bytes", n, NOW, f"key-{n}") for n in range(120)]
    batch[60] = entry_60
    batch[61] = entry_60._replace(value=8)

    outcomes = record_entries(project, *batch)

    statuses = [outcome.status for outcome in outcomes]
    assert (statuses[60], statuses[61]) == (RecordStatus.DUPLICATE, RecordStatus.REFUSED)
    assert {*statuses[:60], *statuses[62:]} == {RecordStatus.RECORDED}
    assert Record.objects.for_project(project).count() == 119
    assert OutboxEvent.objects.for_project(project).count() == 10
    assert law.is_kept(project)


@pytest.mark.django_db(transaction=True)
def test_of_equal_batches_at_the_same_time_one_is_recorded(project: Project) -> None:
    """The others wait for it and find its records: no key is refused by the database."""
    MeterFactory.create(project=project, code="bytes")
    batch = [UsageEntry(f"user-{n % 9}", "bytes", n, NOW, f"key-{n}") for n in range(100)]
    record_entries(project, *(UsageEntry(f"user-{n}", "bytes", 1) for n in range(9)))

    def work(_: int) -> tuple[set[RecordStatus], int]:
        try:
            with CaptureQueriesContext(connection) as queries:
                outcomes = record_entries(project, *batch)
            return {outcome.status for outcome in outcomes}, len(queries)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        results = sorted(threads.map(work, range(THREADS)), key=itemgetter(1))

    # A repeated batch asks which records exist, and what they are; nothing is rolled back.
    assert results == [({RecordStatus.RECORDED}, 7)] + [({RecordStatus.DUPLICATE}, 9)] * 7
    assert law.is_kept(project)


@pytest.mark.django_db(transaction=True)
def test_eight_parallel_writers_count_every_record_once(project: Project) -> None:
    """Batches that share keys, customers and hours in any order; counters are made meanwhile."""
    kinds = meters_of_every_kind(project)
    chance = random.Random(7)
    pool = [entry(chance, chance.choice(list(kinds)), users=6) for _ in range(600)]
    record_entries(project, *(UsageEntry(f"user-{number}", "sum", 1) for number in range(6)))
    people = list(Customer.objects.for_project(project))

    def work(seed: int) -> int:
        chance = random.Random(seed)
        done = 0
        try:
            for turn in range(4):
                outcomes = record_entries(project, *chance.sample(pool, 120))
                done += sum(each.status is RecordStatus.RECORDED for each in outcomes)
                counters.ensure(
                    project_id=project.pk,
                    customer_id=chance.choice(people).pk,
                    meter_id=chance.choice(list(kinds.values())).pk,
                    period=chance.choice(PERIODS),
                    at=NOW,
                )
                if turn % 2:
                    corrections.void(project=project, record_id=outcomes[0].id, at=NOW)
        finally:
            connection.close()
        return done

    with ThreadPoolExecutor(THREADS) as threads:
        stored = sum(threads.map(work, range(THREADS)))

    assert stored + 6 == Record.objects.for_project(project).count()
    assert law.is_kept(project)


@pytest.mark.django_db(transaction=True)
def test_a_new_customer_is_created_once_by_eight_parallel_writers(project: Project) -> None:
    MeterFactory.create(project=project, code="bytes")

    def work(seed: int) -> list[RecordResult]:
        names = [f"new-{number}" for number in range(20)]
        random.Random(seed).shuffle(names)
        try:
            return record_entries(project, *(UsageEntry(name, "bytes", 1) for name in names))
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = [each for batch in threads.map(work, range(THREADS)) for each in batch]

    assert {each.status for each in outcomes} == {RecordStatus.RECORDED}
    assert Customer.objects.for_project(project).count() == 20
    assert OutboxEvent.objects.for_project(project).count() == 20
    assert Total.objects.for_project(project).filter(sum=THREADS).count() == 20
    assert law.is_kept(project)
