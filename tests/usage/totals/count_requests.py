"""Requests to count use, run in threads, and the sums of the records."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Sum

from projects.models import Customer
from usage.models import Counter, Meter, Record, RecordKey, Total
from usage.periods import Period, Unit
from usage.totals.counting import CountRequest

MONTH, DAY = Period(Unit.MONTH), Period(Unit.DAY)
THREADS = 8
MOMENT = timedelta(microseconds=1)


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
    """The oracle: the sum of the records, independent of counters and totals."""
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
    counters = Counter.objects.for_project(project_id).filter(customer=customer, meter=meter)
    for counter in counters:
        within = [
            row.value for row in rows if counter.starts_at <= row.occurred_at < counter.ends_at
        ]
        assert counter.used == sum(within), counter.period
        assert counter.siblings == len(counters)
