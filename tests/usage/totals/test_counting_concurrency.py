"""Parallel counting never exceeds the limit and keeps counters equal to the records."""

from datetime import datetime, timedelta
from random import Random
from threading import Barrier

import pytest
from django.db.models import Sum

from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.factories.usage import NOW
from tests.usage.totals.count_requests import (
    DAY,
    MOMENT,
    MONTH,
    THREADS,
    check_books,
    count_request,
    recorded_sum,
    run_in_threads,
)
from usage.models import Counter, Meter, Record
from usage.periods import Period, Unit
from usage.records import recording
from usage.records.recording import UsageEntry
from usage.totals import counting
from usage.totals.counting import CountRequest

RUNS = 200


@pytest.mark.django_db(transaction=True)
def test_eight_threads_never_exceed_what_is_allowed(project: Project, meter: Meter) -> None:
    """In each of 200 runs a fresh customer, nobody's counter there yet, a limit and a cost drawn by
    chance: exactly floor(limit / cost) succeed, by the records and by the counter."""
    chance = Random(4)
    requests: list[tuple[CountRequest, int]] = []
    for number in range(RUNS):
        customer = CustomerFactory.create(project=project, user_id=f"user-{number}")
        cost = chance.randint(1, 9)
        limit = chance.randint(cost, THREADS * cost)
        requests.append((count_request(customer, meter, cost), limit))
    together = Barrier(THREADS)

    def spend(_: int) -> list[list[int]]:
        used_by_run = []
        for each, limit in requests:
            together.wait()
            outcome = counting.count(each, limit=limit, at=NOW)
            used_by_run.append([outcome.used] if outcome.is_done else [])
        return used_by_run

    used_by_thread = run_in_threads(spend, range(THREADS))
    rows = Record.objects.for_project(project).values_list("customer_id")
    by_record = dict(rows.annotate(sum=Sum("value")))
    by_counter = dict(Counter.objects.for_project(project).values_list("customer_id", "used"))
    for number, (each, limit) in enumerate(requests):
        allowed = limit // each.amount
        seen = sorted(used for one in used_by_thread for used in one[number])
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
        request = count_request(chance.choice(people), meter, chance.randint(1, 3), period)
        if chance.random() < 0.2 and counting.reserve(request, limit=None, at=at).is_done:
            used = chance.randrange(request.amount + 1)
            if used:
                key = str(chance.random())
                counting.apply_count(
                    request._replace(amount=used), reserved=request.amount, key=key, at=at
                )
            else:
                counting.release(request)
        else:
            counting.count(request, limit=chance.choice([None, 40]), at=at)

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
    outcomes_by_thread = run_in_threads(
        lambda number: [
            counting.count(count_request(customer, meter, 3), limit=4 * 5, at=NOW, key=f"job {job}")
            for job in range(5)
        ],
        range(THREADS),
    )
    for job in range(5):
        outcomes = [one[job] for one in outcomes_by_thread]
        assert sum(not outcome.is_duplicate for outcome in outcomes) == 1
        assert all(outcome.is_done for outcome in outcomes)
        assert len({outcome.record_id for outcome in outcomes}) == 1
    assert recorded_sum(customer, meter) == 15
    check_books(customer, meter)
