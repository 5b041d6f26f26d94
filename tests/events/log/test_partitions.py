"""The outbox's monthly partitions behave as one table."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from common import partitions
from common.ids import first_id
from common.partitions import Month
from events.models import OutboxEvent
from events.models.outbox_event import OUTBOX_MONTHS
from events.tasks import make_partitions
from projects.models import Project
from tests.events.log.recording import STATE

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NOVEMBER = Month(2026, 11)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_months(db: None) -> None:
    """Whatever months the chore has made in an earlier test are not there."""
    for month in partitions.months(OUTBOX_MONTHS):
        partitions.drop(OUTBOX_MONTHS, month)


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


def make(at: datetime = NOW) -> list[Month]:
    """As the chore does in a transaction of its own, in which no check of a key is waiting."""
    connection.check_constraints()
    return partitions.make(OUTBOX_MONTHS, at=at)


def months_of_rows() -> dict[str, str]:
    """The partition of each event, by its id."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, tableoid::regclass::text FROM events_outboxevent")
        return dict(cursor.fetchall())


def plan(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_events_are_in_the_default_partition_until_their_month_is_created(project: Project) -> None:
    moments = [NOW, NOW - timedelta(days=70), NOVEMBER.after().starts_at - timedelta.resolution]
    events = [record(project, at) for at in moments]
    before = list(OutboxEvent.objects.for_project(project).order_by("id").values())
    assert set(months_of_rows().values()) == {"events_outboxevent_rest"}

    assert make() == [Month(2026, 9), *(NOVEMBER.after(number) for number in range(4))]

    names = [f"events_outboxevent_2026_{month}" for month in ("11", "09", "11")]
    assert months_of_rows() == {each.id: name for each, name in zip(events, names, strict=True)}
    assert list(OutboxEvent.objects.for_project(project).order_by("id").values()) == before
    first = record(project, NOVEMBER.after().starts_at)
    assert months_of_rows()[first.id] == "events_outboxevent_2026_12"
    assert make() == []


def test_the_task_creates_this_month_and_those_ahead() -> None:
    this = Month.of(datetime.now(UTC))

    make_partitions()

    assert partitions.months(OUTBOX_MONTHS) == [this.after(number) for number in range(4)]


@pytest.mark.parametrize("is_made", [False, True])
def test_no_event_is_deleted_wherever_it_is(project: Project, *, is_made: bool) -> None:
    event = record(project, NOW)
    if is_made:
        make()
    later = record(project, NOW + timedelta(days=400))
    assert months_of_rows()[later.id] == "events_outboxevent_rest", "the trigger is on again"

    for each in (event, later):
        with pytest.raises(DatabaseError, match="keep_outbox_events"), transaction.atomic():
            each.delete()


def test_an_id_is_unique_among_all_months(project: Project, other_project: Project) -> None:
    record(project, NOW)
    make()

    with pytest.raises(IntegrityError), transaction.atomic():
        record(other_project, NOW)


def test_every_event_belongs_to_a_project_that_is_there(project: Project) -> None:
    make()

    def record_for_nobody() -> None:
        record(Project(id=first_id("prj", NOW)), NOW)
        connection.check_constraints()

    with pytest.raises(IntegrityError), transaction.atomic():
        record_for_nobody()


def test_indexes_and_triggers_of_a_month_are_those_of_the_table() -> None:
    make()
    month = OUTBOX_MONTHS.partition(NOVEMBER)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid"
            "        WHERE indrelid = %(month)s::regclass),"
            "       (SELECT count(*) FROM pg_index WHERE indrelid = %(table)s::regclass),"
            "       (SELECT array_agg(tgname) FROM pg_trigger"
            "        WHERE tgrelid = %(month)s::regclass AND NOT tgisinternal),"
            "       (SELECT array_agg(contype ORDER BY contype) FROM pg_constraint"
            "        WHERE conrelid = %(month)s::regclass AND contype <> 'n')",
            {"month": month, "table": OUTBOX_MONTHS.name},
        )
        attached, declared, triggers, constraints = cursor.fetchone()

    assert attached == declared
    assert triggers == ["pgtrigger_keep_outbox_events_dc99d"]
    assert "".join(constraints) == "fpu", "the project, the id, both; and no check is left"


def test_an_id_finds_its_month_and_the_newest_come_without_sorting(project: Project) -> None:
    record(project, NOW)
    make()
    november = OUTBOX_MONTHS.partition(NOVEMBER)

    one = plan(f"SELECT * FROM events_outboxevent WHERE id = '{first_id('evt', NOW)}'")
    assert (november in one, "2026_12" in one, "rest" in one) == (True, False, False)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    newest = plan("SELECT * FROM events_outboxevent ORDER BY id DESC LIMIT 10")
    assert "Sort  (" not in newest, "indexes of the months are merged"
