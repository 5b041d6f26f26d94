"""Ways out read the log at their own pace, from where they have stopped."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from common import ids
from delivery.models import Outlet
from delivery.outlets import outlet
from delivery.outlets.outlet import OutletLag, Start
from events.log import sequencer
from projects.models import Project
from tests.events.log.recording import record
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def test_an_outlet_begins_with_all_events_or_with_the_next_one(project: Project) -> None:
    record(project, "cus_1", 1)
    sequencer.run()
    new = record(project, "cus_1", 2)
    oldest, following = locked("bus", Start.OLDEST), locked("mail", Start.NEXT)
    sequencer.run()
    assert len(outlet.take(oldest, limit=10)) == 2
    assert [each.pk for each in outlet.take(following, limit=10)] == [new]


def test_an_outlet_goes_on_where_it_stopped_and_delays_no_other(project: Project) -> None:
    recorded = [record(project, "cus_1", number) for number in range(1, 6)]
    sequencer.run()
    bus, mail = locked("bus", Start.OLDEST), locked("mail", Start.OLDEST)
    first = outlet.take(bus, limit=2)
    outlet.move(bus, number=first[-1].number, at=timezone.now())
    assert [each.pk for each in outlet.take(locked("bus", Start.OLDEST), limit=9)] == recorded[2:]
    assert [each.pk for each in outlet.take(mail, limit=9)] == recorded


def test_the_lag_counts_events_and_the_age_of_the_oldest(project: Project) -> None:
    now = timezone.now()
    assert outlet.lags(at=now)["bus"] == OutletLag(0, timedelta())
    bus = locked("bus", Start.OLDEST)
    first = ids.time_of(record(project, "cus_1", 1))
    record(project, "cus_1", 2)
    sequencer.run()
    assert outlet.lags(at=first + timedelta(hours=1))["bus"] == OutletLag(2, timedelta(hours=1))
    assert outlet.lags(at=first - timedelta(hours=1))["bus"] == OutletLag(2, timedelta())
    outlet.move(bus, number=outlet.take(bus, limit=9)[-1].number, at=now)
    assert outlet.lags(at=now)["bus"] == OutletLag(0, timedelta())


@pytest.mark.django_db(transaction=True)
def test_one_process_at_a_time_has_an_outlet() -> None:
    seen: list[Outlet | None] = []

    def look() -> None:
        try:
            with transaction.atomic():
                seen.append(outlet.lock("bus", start=Start.OLDEST))
        finally:
            connection.close()

    with transaction.atomic():
        locked("bus", Start.OLDEST)
    with transaction.atomic():
        locked("bus", Start.OLDEST)
        other = threading.Thread(target=look)
        other.start()
        other.join(PATIENCE)
    assert seen == [None]


def locked(name: str, start: Start) -> Outlet:
    row = outlet.lock(name, start=start)
    assert row is not None
    return row
