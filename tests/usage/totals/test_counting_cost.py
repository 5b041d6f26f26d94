"""Counting takes one planned statement and one round trip, and waits for no lock."""

from typing import Any

import pytest
from django.db import connection, transaction

from projects.customers import selectors as customers
from projects.models import Customer
from tests.factories.usage import NOW
from tests.usage.totals.count_requests import count_request, run_in_threads
from usage.models import Meter
from usage.totals import counting


@pytest.mark.django_db
def test_counting_takes_one_round_trip_with_an_existing_counter(
    customer: Customer, meter: Meter, django_assert_num_queries: Any
) -> None:
    request = count_request(customer, meter)
    counting.count(request, limit=3, at=NOW)
    with django_assert_num_queries(1):
        assert counting.count(request, limit=3, at=NOW, key="k").is_done
    with django_assert_num_queries(1):
        assert counting.count(request, limit=3, at=NOW).is_done
    with django_assert_num_queries(1):
        assert not counting.count(request, limit=3, at=NOW).is_done
    with django_assert_num_queries(2):
        assert counting.count(request, limit=3, at=NOW, key="k").is_duplicate


@pytest.mark.django_db(transaction=True)
def test_counting_does_not_wait_for_the_customers_lock(customer: Customer, meter: Meter) -> None:
    """A purchase that is being booked holds the customer; its use goes on, the first one too."""
    with transaction.atomic():
        customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        (outcome,) = run_in_threads(
            lambda request: counting.count(request, limit=5, at=NOW),
            [count_request(customer, meter)],
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
