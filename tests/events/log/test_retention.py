"""Old events are dropped by the month, with their places, and never before they have one."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from common import partitions
from common.ids import first_id
from common.partitions import Month
from events.log import retention, sequencer
from events.log import selectors as event_log
from events.models import LoggedEvent, OutboxEvent, PendingEvent
from events.models.logged_event import LOG_MONTHS
from events.models.outbox_event import OUTBOX_MONTHS
from projects.models import Project
from tests.events.log.recording import STATE

SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)
JUST_OVER = OCTOBER.after().starts_at + retention.KEPT


@pytest.fixture(autouse=True)
def _months(db: None) -> None:
    for table in (OUTBOX_MONTHS, LOG_MONTHS):
        for month in partitions.months(table):
            partitions.drop(table, month)


def record(project: Project, at: datetime) -> OutboxEvent:
    return OutboxEvent.objects.create(
        id=first_id("evt", at),
        project=project,
        type="customer.updated",
        subject="cus_1",
        customer_id="cus_1",
        data=STATE,
        occurred_at=at,
    )


def make_months() -> None:
    connection.check_constraints()
    for table in (OUTBOX_MONTHS, LOG_MONTHS):
        partitions.make(table, at=datetime(2026, 11, 23, tzinfo=UTC))


def kept_positions(project: Project) -> list[int]:
    rows = LoggedEvent.objects.for_project(project).order_by("position")
    return [row.position for row in rows.select_related("event")]


def test_a_month_goes_thirty_days_after_its_end(project: Project) -> None:
    for month in (SEPTEMBER, OCTOBER, OCTOBER.after()):
        record(project, month.starts_at + timedelta(days=3))
    sequencer.run()
    make_months()

    assert retention.drop_old(at=JUST_OVER - timedelta.resolution) == [SEPTEMBER]
    assert kept_positions(project) == [2, 3]
    assert retention.drop_old(at=JUST_OVER) == [OCTOBER]
    assert kept_positions(project) == [3]
    assert OutboxEvent.objects.for_project(project).count() == 1
    state = event_log.state(project.pk)
    assert (state.oldest, state.head) == (3, 3)


def test_positions_go_on_after_all_events_are_gone(project: Project) -> None:
    record(project, SEPTEMBER.starts_at)
    sequencer.run()
    make_months()
    retention.drop_old(at=JUST_OVER)
    assert event_log.state(project.pk).oldest == 2
    record(project, JUST_OVER)
    sequencer.run()
    assert kept_positions(project) == [2]


def test_an_event_without_a_position_is_kept(project: Project) -> None:
    record(project, SEPTEMBER.starts_at)
    make_months()
    assert retention.drop_old(at=JUST_OVER) == []
    assert PendingEvent.objects.count() == 1
    sequencer.run()
    assert retention.drop_old(at=JUST_OVER) == [SEPTEMBER]
