"""Counting never exceeds the limit, and counters equal the records."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from random import Random
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from projects.customers import selectors as customers
from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.factories.usage import NOW, MeterFactory
from usage.errors import MeterArchived, NotConsumable, UsageKeyReused
from usage.models import Counter, Meter, Movement, Record, RecordKey, Total
from usage.models.meter import Aggregation
from usage.periods import Period, Unit
from usage.records import recording
from usage.records.recording import UsageEntry
from usage.totals import counting
from usage.totals.counting import CountRequest
from usage.totals.selectors import counting as counting_selectors
from usage.totals.selectors.counting import CounterKey

MONTH, DAY = Period(Unit.MONTH), Period(Unit.DAY)
THREADS = 8
RUNS = 200
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def meter(project: Project) -> Meter:
    return MeterFactory.create(project=project, code="calls")


@pytest.fixture
def customer(project: Project) -> Customer:
    return CustomerFactory.create(project=project, user_id="ada")


def count_request(
    customer: Customer, meter: Meter, amount: int = 1, period: Period = MONTH
) -> CountRequest:
    return CountRequest(customer.project_id, customer.pk, meter.pk, period, amount)


def run_in_threads(act: Callable[[Any], Any], arguments: Iterable[Any]) -> list[Any]:
    def run(argument: Any) -> Any:
        try:
            return act(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(run, arguments))


def recorded_sum(customer: Customer, meter: Meter) -> int:
    """The oracle: what the records come to, whatever counters and totals say."""
    rows = Record.objects.for_project(customer.project_id).filter(
        customer=customer, meter=meter, voided_at__isnull=True
    )
    return int(rows.aggregate(sum=Sum("value"))["sum"] or 0)


def check_books(customer: Customer, meter: Meter) -> None:
    """Keys, records, totals and counters tell one story."""
    project_id = customer.project_id
    rows = Record.objects.for_project(project_id).filter(customer=customer, meter=meter)
    assert {row.id for row in rows} == set(
        RecordKey.objects.for_project(project_id)
        .filter(customer=customer, meter=meter)
        .values_list("id", flat=True)
    )
    by_hour: dict[datetime, list[int]] = {}
    for row in rows:
        hour = row.occurred_at.replace(minute=0, second=0, microsecond=0)
        by_hour.setdefault(hour, []).append(row.value)
    totals = Total.objects.for_project(project_id).filter(customer=customer, meter=meter)
    assert {total.hour: (total.count, int(total.sum), total.max) for total in totals} == {
        hour: (len(values), sum(values), max(values)) for hour, values in by_hour.items()
    }
    found = Counter.objects.for_project(project_id).filter(customer=customer, meter=meter)
    for counter in found:
        within = [
            row.value for row in rows if counter.starts_at <= row.occurred_at < counter.ends_at
        ]
        assert counter.used == sum(within), counter.period
        assert counter.siblings == len(found)


@pytest.mark.django_db(transaction=True)
def test_eight_threads_never_exceed_what_is_allowed(project: Project, meter: Meter) -> None:
    """In each of 200 runs a fresh customer, nobody's counter there yet, a limit and a cost drawn by
    chance: exactly floor(limit / cost) succeed, by the records and by the counter."""
    chance = Random(4)
    asked: list[tuple[CountRequest, int]] = []
    for number in range(RUNS):
        customer = CustomerFactory.create(project=project, user_id=f"user-{number}")
        cost = chance.randint(1, 9)
        limit = chance.randint(cost, THREADS * cost)
        asked.append((count_request(customer, meter, cost), limit))
    together = Barrier(THREADS)

    def spend(_: int) -> list[list[int]]:
        told = []
        for each, limit in asked:
            together.wait()
            outcome = counting.count(each, limit=limit, at=NOW)
            told.append([outcome.used] if outcome.is_done else [])
        return told

    told = run_in_threads(spend, range(THREADS))
    rows = Record.objects.for_project(project).values_list("customer_id")
    by_record = dict(rows.annotate(sum=Sum("value")))
    by_counter = dict(Counter.objects.for_project(project).values_list("customer_id", "used"))
    for number, (each, limit) in enumerate(asked):
        allowed = limit // each.amount
        seen = sorted(used for one in told for used in one[number])
        assert seen == [each.amount * count for count in range(1, allowed + 1)], number
        assert by_record[each.customer_id] == by_counter[each.customer_id] == seen[-1], number


@pytest.mark.django_db(transaction=True)
def test_counters_agree_with_records_after_parallel_writes(project: Project, meter: Meter) -> None:
    """Records come in for three customers while counters of three periods are made, rolled over
    midnight and used up; nobody waits for ever, and not one record is missing anywhere."""
    Meter.objects.for_project(project).update(is_watched=True, is_shared=True)
    people = [CustomerFactory.create(project=project, user_id=f"user-{n}") for n in range(3)]
    midnight = NOW.replace(day=22, hour=0, minute=0)
    anchored = Period(Unit.WEEK, NOW - timedelta(days=3))
    extended = anchored.extend_unpaid(NOW - timedelta(days=9), at=NOW)
    assert extended.extended_from is not None
    together = Barrier(THREADS)

    def ingest(chance: Random, at: datetime) -> None:
        entries = [
            UsageEntry(f"user-{chance.randrange(3)}", "calls", chance.randrange(5), moment)
            for moment in (at, at - timedelta(hours=chance.randrange(48)), None)
        ]
        recording.record(project=project, entries=entries, at=at)

    def use(chance: Random, at: datetime) -> None:
        period = chance.choice([MONTH, DAY, anchored, extended])
        asked = count_request(chance.choice(people), meter, chance.randint(1, 3), period)
        if chance.random() < 0.2 and counting.reserve(asked, limit=None, at=at).is_done:
            used = chance.randrange(asked.amount + 1)
            if used:
                key = str(chance.random())
                counting.apply_count(
                    asked._replace(amount=used), reserved=asked.amount, key=key, at=at
                )
            else:
                counting.release(asked)
        else:
            counting.count(asked, limit=chance.choice([None, 40]), at=at)

    def act(number: int) -> None:
        chance = Random(number)
        together.wait()
        for step in range(-12, 12):
            at = midnight + timedelta(seconds=step) + number * MOMENT
            (ingest if chance.random() < 0.4 else use)(chance, at)

    run_in_threads(act, range(THREADS))
    for customer in people:
        check_books(customer, meter)
        mine = Counter.objects.for_project(project).filter(customer=customer)
        periods = {MONTH.key, DAY.key, anchored.key, extended.key}
        assert {counter.period for counter in mine} == periods
        assert {counter.reserved for counter in mine} == {0}


@pytest.mark.django_db(transaction=True)
def test_many_retries_with_one_key_count_once(customer: Customer, meter: Meter) -> None:
    told = run_in_threads(
        lambda number: [
            counting.count(count_request(customer, meter, 3), limit=4 * 5, at=NOW, key=f"job {job}")
            for job in range(5)
        ],
        range(THREADS),
    )
    for job in range(5):
        outcomes = [one[job] for one in told]
        assert sum(not outcome.is_duplicate for outcome in outcomes) == 1
        assert all(outcome.is_done for outcome in outcomes)
        assert len({outcome.record_id for outcome in outcomes}) == 1
    assert recorded_sum(customer, meter) == 15
    check_books(customer, meter)


@pytest.mark.django_db
def test_a_key_names_one_use_for_ever(customer: Customer, meter: Meter) -> None:
    asked = count_request(customer, meter, 3)
    first = counting.count(asked, limit=5, at=NOW, key="k", feature="api")
    later = NOW + timedelta(days=40)
    for at, used in ((NOW, 3), (later, 0)):
        again = counting.count(asked, limit=0, at=at, key="k", feature="api")
        assert (again.is_done, again.is_duplicate, again.record_id) == (True, True, first.record_id)
        assert again.used == used
    other = CustomerFactory.create(project=customer.project)
    for another, said in (
        (count_request(customer, meter, 2), "api"),
        (asked, "image"),
        (count_request(other, meter, 3), "api"),
    ):
        with pytest.raises(UsageKeyReused):
            counting.count(another, limit=None, at=NOW, key="k", feature=said)
    elsewhere = MeterFactory.create(project=CustomerFactory.create().project)
    theirs = CustomerFactory.create(project=elsewhere.project)
    assert not counting.count(
        count_request(theirs, elsewhere, 3), limit=5, at=NOW, key="k"
    ).is_duplicate
    entry = UsageEntry("ada", "calls", 3, NOW, "k")
    (outcome,) = recording.record(project=customer.project, entries=[entry], at=NOW)
    assert outcome.status == "recorded"
    assert recorded_sum(customer, meter) == 6
    check_books(customer, meter)


@pytest.mark.django_db
def test_window_begins_and_ends_at_the_microsecond(customer: Customer, meter: Meter) -> None:
    """And never comes back: for a clock that is behind, the new window has begun."""
    midnight = NOW.replace(day=22, hour=0, minute=0)
    asked = count_request(customer, meter, 4, DAY)
    for at, is_done, used, day in (
        (midnight - MOMENT, True, 4, 21),
        (midnight - MOMENT, False, 4, 21),
        (midnight, True, 4, 22),
        (midnight - MOMENT, False, 4, 22),
        (midnight + timedelta(days=1) - MOMENT, False, 4, 22),
        (midnight + timedelta(days=1), True, 4, 23),
        (midnight + timedelta(days=4), True, 4, 26),
    ):
        outcome = counting.count(asked, limit=7, at=at)
        assert (outcome.is_done, outcome.used, outcome.window.starts_at.day) == (is_done, used, day)
    behind = counting.count(asked, limit=8, at=midnight + timedelta(days=4) - MOMENT)
    assert (behind.is_done, behind.used) == (True, 8)
    moments = Record.objects.for_project(customer.project_id).values_list("occurred_at", flat=True)
    assert list(moments.order_by("occurred_at"))[-2:] == [midnight + timedelta(days=4)] * 2
    check_books(customer, meter)


@pytest.mark.django_db
def test_a_reservation_counts_against_the_limit_until_it_ends(
    customer: Customer, meter: Meter
) -> None:
    six, three = count_request(customer, meter, 6), count_request(customer, meter, 3)
    held = counting.reserve(six, limit=10, at=NOW)
    assert (held.is_done, held.used, held.reserved) == (True, 0, 6)
    assert not counting.reserve(count_request(customer, meter, 5), limit=10, at=NOW).is_done
    assert counting.count(three, limit=10, at=NOW).is_done
    refused = counting.count(count_request(customer, meter, 2), limit=10, at=NOW)
    assert (refused.is_done, refused.used, refused.reserved) == (False, 3, 6)
    assert not counting.count(count_request(customer, meter), limit=4, at=NOW).is_done, (
        "a lower limit"
    )
    assert counting.count(count_request(customer, meter), limit=10, at=NOW).is_done
    over = NOW + timedelta(days=30)
    for _ in range(2):
        settled = counting.apply_count(three._replace(amount=5), reserved=6, key="res_1", at=over)
    assert (settled.used, settled.reserved, settled.is_duplicate) == (5, 0, True)
    counter = Counter.objects.for_project(customer.project_id).get()
    assert (counter.starts_at.month, int(counter.used), int(counter.reserved)) == (12, 5, 0)
    counting.reserve(three, limit=10, at=over)
    counting.release(three)
    assert Counter.objects.for_project(customer.project_id).get().reserved == 0
    check_books(customer, meter)


@pytest.mark.django_db
def test_a_new_counter_includes_earlier_records(project: Project, meter: Meter) -> None:
    entries = [
        UsageEntry("ada", "calls", 30, NOW),
        UsageEntry("ada", "calls", 4, NOW - timedelta(days=1)),
        UsageEntry("ada", "calls", 100, NOW - timedelta(days=30)),
    ]
    recording.record(project=project, entries=entries, at=NOW)
    customer = Customer.objects.for_project(project).get()
    assert counting.count(count_request(customer, meter, 6), limit=40, at=NOW).used == 40
    assert counting.count(count_request(customer, meter, 6, DAY), limit=50, at=NOW).used == 42
    assert not counting.count(count_request(customer, meter), limit=46, at=NOW).is_done
    late = [UsageEntry("ada", "calls", 1, NOW - timedelta(hours=20))]
    recording.record(project=project, entries=late, at=NOW)
    periods = Counter.objects.for_project(project).order_by("period")
    assert [(row.period, int(row.used)) for row in periods] == [("day", 42), ("month", 47)]
    check_books(customer, meter)


@pytest.mark.django_db
def test_count_meter_counts_as_many_as_are_used(project: Project, customer: Customer) -> None:
    meter = MeterFactory.create(project=project, code="jobs", aggregation=Aggregation.COUNT)
    recording.record(
        project=project, entries=[UsageEntry("ada", "jobs"), UsageEntry("ada", "jobs")], at=NOW
    )
    assert counting.count(count_request(customer, meter, 5), limit=7, at=NOW).used == 7
    recording.record(project=project, entries=[UsageEntry("ada", "jobs", key="x")], at=NOW)
    assert counting.count(count_request(customer, meter), limit=8, at=NOW).used == 8
    assert not counting.count(count_request(customer, meter), limit=8, at=NOW).is_done


@pytest.mark.django_db
def test_archived_and_non_additive_meters_are_refused(
    project: Project, customer: Customer, meter: Meter
) -> None:
    Meter.objects.for_project(project).update(archived_at=NOW)
    peak = MeterFactory.create(project=project, code="peak", aggregation=Aggregation.MAX)
    for closed, refusal in ((meter, MeterArchived), (peak, NotConsumable)):
        with pytest.raises(refusal):
            counting.count(count_request(customer, closed), limit=None, at=NOW)
        with pytest.raises(refusal):
            counting.reserve(count_request(customer, closed), limit=None, at=NOW)
    assert not Record.objects.for_project(project).exists()
    assert not Counter.objects.for_project(project).exclude(used=0, reserved=0).exists()


@pytest.mark.django_db
def test_a_movement_is_noted_only_at_a_mark_or_for_a_shared_meter(
    customer: Customer, meter: Meter
) -> None:
    moved = Movement.objects.for_project(customer.project_id)
    notes = []
    for amount in (7, 1, 1, 1, 5):
        outcome = counting.count(
            count_request(customer, meter, amount), limit=None, at=NOW, marks=[8, 10]
        )
        notes.append((outcome.is_noted, moved.count()))
        moved.delete()
    assert notes == [(False, 0), (True, 1), (False, 0), (True, 1), (False, 0)]
    Meter.objects.for_project(customer.project_id).update(is_shared=True)
    assert counting.count(count_request(customer, meter), limit=None, at=NOW).is_noted


@pytest.mark.django_db
def test_counting_takes_one_round_trip_with_an_existing_counter(
    customer: Customer, meter: Meter, django_assert_num_queries: Any
) -> None:
    asked = count_request(customer, meter)
    counting.count(asked, limit=3, at=NOW)
    with django_assert_num_queries(1):
        assert counting.count(asked, limit=3, at=NOW, key="k").is_done
    with django_assert_num_queries(1):
        assert counting.count(asked, limit=3, at=NOW).is_done
    with django_assert_num_queries(1):
        assert not counting.count(asked, limit=3, at=NOW).is_done
    with django_assert_num_queries(2):
        assert counting.count(asked, limit=3, at=NOW, key="k").is_duplicate


@pytest.mark.django_db(transaction=True)
def test_counting_does_not_wait_for_the_customers_lock(customer: Customer, meter: Meter) -> None:
    """A purchase that is being booked holds the customer; its use goes on, the first one too."""
    with transaction.atomic():
        customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        (outcome,) = run_in_threads(
            lambda asked: counting.count(asked, limit=5, at=NOW), [count_request(customer, meter)]
        )
    assert outcome.is_done


@pytest.mark.django_db
def test_the_counting_statement_is_planned_once(customer: Customer, meter: Meter) -> None:
    def plans() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", [COUNTS]
            )
            return int(cursor.fetchone()[0])

    before = plans()  # the connection keeps those of earlier tests
    for amount in (1, 40_000, 3_000_000_000):
        counting.count(
            count_request(customer, meter, amount), limit=2**53 - 1, at=NOW, marks=[amount]
        )
        counting.count(
            count_request(customer, meter, amount), limit=1, at=NOW, marks=[amount, 2**40]
        )
    kept = plans()
    assert kept > 0
    assert kept - before <= 2
    counting.count(count_request(customer, meter, 7), limit=100, at=NOW, marks=[80, 100])
    assert plans() == kept


COUNTS = "%usage_recordkey%"


def test_the_database_refuses_a_counter_below_nothing(customer: Customer, meter: Meter) -> None:
    """Whatever our own code believes it may give back."""
    counting.count(count_request(customer, meter, 2), limit=None, at=NOW)
    rows = Counter.objects.for_project(customer.project_id)
    for below in ({"used": -1}, {"reserved": -1}):
        with pytest.raises(IntegrityError, match="not_negative"), transaction.atomic():
            rows.update(**below)
    assert [int(figure) for figure in rows.values_list("used", "reserved").get()] == [2, 0]


@pytest.mark.django_db
def test_an_extended_window_counts_what_was_used_before_it_was(
    customer: Customer, meter: Meter
) -> None:
    """And another one later has the same counter; the regular windows go on beside them."""
    regular = Period(Unit.DAY, NOW)
    counting.count(count_request(customer, meter, 6, regular), limit=10, at=NOW)
    for days in (1, 2, 3):
        at = NOW + timedelta(days=days)
        extended = regular.extend_unpaid(NOW + timedelta(hours=2), at=at)
        assert not counting.count(
            count_request(customer, meter, 4, extended), limit=9, at=at
        ).is_done
        outcome = counting.count(count_request(customer, meter, 1, extended), limit=9, at=at)
        assert (outcome.is_done, outcome.used) == (True, 6 + days)
        asked = CounterKey(customer.pk, meter.pk, extended)
        found = counting_selectors.read_usage(project_id=meter.project_id, keys=[asked], at=at)
        assert found[asked].used == 6 + days
    at = NOW + timedelta(days=3)
    assert counting.count(count_request(customer, meter, 9, regular), limit=10, at=at).used == 10
    later = regular.extend_unpaid(NOW + timedelta(days=3, hours=2), at=NOW + timedelta(days=4))
    outcome = counting.count(
        count_request(customer, meter, 1, later), limit=11, at=NOW + timedelta(days=4)
    )
    assert (outcome.is_done, outcome.used) == (True, 11)
    kept = Counter.objects.for_project(meter.project_id).values_list("period", flat=True)
    assert sorted(kept) == sorted([regular.key, extended.key])
    check_books(customer, meter)
