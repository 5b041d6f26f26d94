"""Counting never exceeds the limit, and counters equal the records."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.factories.usage import NOW, MeterFactory
from tests.usage.totals.count_requests import DAY, MOMENT, check_books, count_request, recorded_sum
from usage.errors import MeterArchived, NotConsumable, UsageKeyReused
from usage.models import Counter, Meter, Movement, Record
from usage.models.meter import Aggregation
from usage.periods import Period, Unit
from usage.records import recording
from usage.records.recording import UsageEntry
from usage.totals import counting
from usage.totals.selectors import counting as counting_selectors
from usage.totals.selectors.counting import CounterKey


@pytest.mark.django_db
def test_a_key_names_one_use_for_ever(customer: Customer, meter: Meter) -> None:
    request = count_request(customer, meter, 3)
    first = counting.count(request, limit=5, at=NOW, key="k", feature="api")
    later = NOW + timedelta(days=40)
    for at, used in ((NOW, 3), (later, 0)):
        again = counting.count(request, limit=0, at=at, key="k", feature="api")
        assert (again.is_done, again.is_duplicate, again.record_id) == (True, True, first.record_id)
        assert again.used == used
    other = CustomerFactory.create(project=customer.project)
    for another, source in (
        (count_request(customer, meter, 2), "api"),
        (request, "image"),
        (count_request(other, meter, 3), "api"),
    ):
        with pytest.raises(UsageKeyReused):
            counting.count(another, limit=None, at=NOW, key="k", feature=source)
    elsewhere = MeterFactory.create(project=CustomerFactory.create().project)
    other_customer = CustomerFactory.create(project=elsewhere.project)
    assert not counting.count(
        count_request(other_customer, elsewhere, 3), limit=5, at=NOW, key="k"
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
    request = count_request(customer, meter, 4, DAY)
    for at, is_done, used, day in (
        (midnight - MOMENT, True, 4, 21),
        (midnight - MOMENT, False, 4, 21),
        (midnight, True, 4, 22),
        (midnight - MOMENT, False, 4, 22),
        (midnight + timedelta(days=1) - MOMENT, False, 4, 22),
        (midnight + timedelta(days=1), True, 4, 23),
        (midnight + timedelta(days=4), True, 4, 26),
    ):
        outcome = counting.count(request, limit=7, at=at)
        assert (outcome.is_done, outcome.used, outcome.window.starts_at.day) == (is_done, used, day)
    behind = counting.count(request, limit=8, at=midnight + timedelta(days=4) - MOMENT)
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
        key = CounterKey(customer.pk, meter.pk, extended)
        counters = counting_selectors.read_usage(project_id=meter.project_id, keys=[key], at=at)
        assert counters[key].used == 6 + days
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
