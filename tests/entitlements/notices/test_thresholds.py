"""Recorded usage that reaches a limit records one event per period."""

from datetime import timedelta
from typing import Any

import pytest

from entitlements.consumption import service as consumption
from entitlements.models import Feature, LimitNotice
from entitlements.models.feature import FeatureKind
from entitlements.notices import thresholds
from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.factories.entitlements import FeatureFactory, draft_fact, state
from tests.factories.projects import CustomerFactory
from tests.factories.usage import NOW, MeterFactory
from usage.meters import service as meters
from usage.models import Meter, Movement
from usage.periods import Period, Unit
from usage.records import recording
from usage.records.recording import UsageEntry
from usage.totals import counting
from usage.totals.counting import CountRequest

pytestmark = pytest.mark.django_db

THRESHOLD, LIMIT = "usage.threshold_reached", "usage.limit_reached"
SINCE = NOW - timedelta(days=60)


@pytest.fixture
def meter(project: Project) -> Meter:
    return MeterFactory.create(project=project, code="calls")


def metered(meter: Meter, code: str = "api", period: str = "month") -> Feature:
    meters.watch(meter=meter)
    return FeatureFactory.create(
        project=meter.project, code=code, kind=FeatureKind.METERED, meter=meter, period=period
    )


def allow(customer: Customer, *values: tuple[Feature, int | None]) -> None:
    claims = [draft_fact(feature, value, starts_at=SINCE) for feature, value in values]
    state(customer, *claims, at=SINCE)


def record_usage(project: Project, value: int, user_id: str = "ada", at: Any = NOW) -> None:
    entries = [UsageEntry(user_id, "calls", value)]
    (outcome,) = recording.record(project=project, entries=entries, at=at)
    assert outcome.status == "recorded"


def threshold_events(project: Project) -> list[tuple[str, str, int]]:
    events = OutboxEvent.objects.for_project(project).order_by("id")
    return [
        (event.type, event.data["feature"], event.data["used"])
        for event in events
        if event.type in (THRESHOLD, LIMIT)
    ]


def test_reaching_a_limit_is_recorded_once_in_each_period(project, customer, meter) -> None:
    allow(customer, (metered(meter), 10))
    for value, events in ((7, []), (1, [THRESHOLD]), (0, []), (3, [LIMIT]), (5, [])):
        before = threshold_events(project)
        record_usage(project, value)
        assert thresholds.notify_due(at=NOW, limit=10) == 1
        assert [event[0] for event in threshold_events(project)[len(before) :]] == events
    assert thresholds.notify_due(at=NOW, limit=10) == 0
    later = NOW + timedelta(days=20)
    record_usage(project, 10, at=later)
    thresholds.notify_due(at=later, limit=10)
    assert threshold_events(project)[2:] == [(THRESHOLD, "api", 10), (LIMIT, "api", 10)]
    event = OutboxEvent.objects.for_project(project).filter(type=LIMIT).latest("id")
    assert event.data["user_id"] == "ada"
    assert (event.data["threshold"], event.data["reason"]) == (100, "limit_reached")
    assert (event.customer_id, event.version, event.occurred_at) == (customer.pk, 1, later)
    assert LimitNotice.objects.for_project(project).count() == 1


def test_each_limit_of_a_shared_meter_records_its_event(project, customer, meter) -> None:
    features = {code: metered(meter, code, period) for code, period in LIMITS.items()}
    allow(customer, (features["by-month"], 100), (features["by-day"], 10), (features["more"], 20))
    for amount in (8, 1):
        consumption.consume(
            project=project, user_id="ada", feature="by-month", amount=amount, at=NOW
        )
        thresholds.notify_due(at=NOW, limit=10)
    assert threshold_events(project) == [(THRESHOLD, "by-day", 8)]
    consumption.consume(project=project, user_id="ada", feature="by-day", amount=1, at=NOW)
    record_usage(project, 10)
    thresholds.notify_due(at=NOW, limit=10)
    assert threshold_events(project)[1:] == [
        (LIMIT, "by-day", 10),
        (THRESHOLD, "more", 20),
        (LIMIT, "more", 20),
    ]


LIMITS = {"by-month": "month", "by-day": "day", "more": "month"}


def test_a_period_that_has_ended_is_still_recorded(project, customer, meter) -> None:
    allow(customer, (metered(meter, period="day"), 10))
    last = NOW.replace(hour=23, minute=59)
    record_usage(project, 9, at=last)
    thresholds.notify_due(at=last + timedelta(minutes=5), limit=10)
    assert threshold_events(project) == [(THRESHOLD, "api", 9)]


def test_customers_without_a_limit_get_no_event_and_many_cost_few_queries(
    project, meter, django_assert_num_queries
) -> None:
    feature = metered(meter)
    for number in range(20):
        customer = CustomerFactory.create(project=project, user_id=f"user-{number}")
        if number % 2:
            allow(customer, (feature, None if number % 4 == 1 else 5))
        record_usage(project, 4, f"user-{number}")
    with django_assert_num_queries(21):
        assert thresholds.notify_due(at=NOW, limit=100) == 20
    assert threshold_events(project) == [(THRESHOLD, "api", 4)] * 5
    assert not Movement.objects.for_project(project).exists()


def test_an_interrupted_run_records_its_events_later(project, customer, meter) -> None:
    """As when the process dies between counting and telling."""
    allow(customer, (metered(meter), 10))
    request = CountRequest(project.pk, customer.pk, meter.pk, Period(Unit.MONTH), 10)
    assert counting.count(request, limit=10, at=NOW, marks=thresholds.threshold_amounts(10)).is_done
    assert threshold_events(project) == []
    assert thresholds.notify_due(at=NOW, limit=10) == 1
    assert threshold_events(project) == [(THRESHOLD, "api", 10), (LIMIT, "api", 10)]
