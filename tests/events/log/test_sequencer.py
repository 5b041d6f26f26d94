"""Every committed event gets one place in the log, without holes, and nothing appears behind it."""

import threading

import pytest
from django.db import connection, transaction

from events.catalog import EventType
from events.log import outbox, selectors, sequencer
from events.log.outbox import NewEvent
from events.models import CustomerHead, LogHead, PendingEvent, ProjectHead
from projects.models import Project
from tests.events.log.recording import NOW, STATE, entries, places, record
from tests.waiting import PATIENCE


def test_positions_follow_each_other_per_project_and_customer(
    project: Project, other_project: Project
) -> None:
    first = record(project, "cus_1", 1)
    foreign = record(other_project, "cus_1", 9)
    second = record(project, "cus_2", 1)
    third = record(project)
    assert sequencer.run() == sequencer.SequencerRun(4, is_complete=True)
    fourth = record(project, "cus_1", 2)
    sequencer.run()

    assert places(project) == [
        (first, 1, 1, 1),
        (second, 2, 1, 3),
        (third, 3, 0, 4),
        (fourth, 4, 2, 5),
    ]
    assert places(other_project) == [(foreign, 1, 1, 2)]
    assert ProjectHead.objects.for_project(project).get().position == 4
    assert LogHead.objects.get().number == 5
    assert not PendingEvent.objects.exists()


def test_an_event_names_the_version_of_the_customers_last_event(project: Project) -> None:
    record(project, "cus_1", 3)
    record(project, "cus_1", 4)
    sequencer.run()
    record(project, "cus_2", 1)
    record(project, "cus_1", 6)
    sequencer.run()

    assert [each.previous_version for each in entries(project)] == [0, 3, 0, 4]
    head = CustomerHead.objects.for_project(project).get(customer_id="cus_1")
    assert (head.sequence, head.version) == (3, 6)


def test_events_of_one_statement_keep_their_order(project: Project) -> None:
    outbox.record_many(
        project_id=project.pk,
        event_type=EventType.CUSTOMER_CREATED,
        events=[
            NewEvent(subject=f"cus_{number}", customer_id=f"cus_{number}", data=STATE)
            for number in range(50)
        ],
        at=NOW,
    )
    sequencer.run()
    assert [each.customer_id for each in entries(project)] == [f"cus_{n}" for n in range(50)]


def test_a_batch_continues_where_the_last_one_ended(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "BATCH_SIZE", 3)
    ids = [record(project, "cus_1", number) for number in range(1, 9)]
    assert sequencer.run(max_batches=2) == sequencer.SequencerRun(6, is_complete=False)
    assert sequencer.run() == sequencer.SequencerRun(2, is_complete=True)
    assert [(id_, position, sequence) for id_, position, sequence, _ in places(project)] == [
        (id_, number, number) for number, id_ in enumerate(ids, start=1)
    ]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_event_takes_no_position(project: Project) -> None:
    with transaction.atomic():
        record(project)
        transaction.set_rollback(True)
    kept = record(project)
    sequencer.run()
    assert places(project) == [(kept, 1, 0, 1)]


@pytest.mark.django_db(transaction=True)
def test_a_sequencer_that_dies_leaves_no_trace(project: Project) -> None:
    """Whatever it had done is rolled back, and the next one does it."""
    ids = [record(project, "cus_1", number) for number in (1, 2)]
    with transaction.atomic():
        assert sequencer.number_batch() == 2
        transaction.set_rollback(True)
    assert (entries(project), PendingEvent.objects.count()) == ([], 2)
    sequencer.run()
    assert [each[:3] for each in places(project)] == [(ids[0], 1, 1), (ids[1], 2, 2)]


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_long_transaction_comes_late_and_is_not_missed(project: Project) -> None:
    """An id lower than what readers have seen, and a position higher than that."""
    is_recorded, may_commit = threading.Event(), threading.Event()
    late: list[str] = []

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                late.append(record(project))
                is_recorded.set()
                assert may_commit.wait(PATIENCE)
        finally:
            connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert is_recorded.wait(PATIENCE)
    early = record(project)
    sequencer.run()
    assert places(project) == [(early, 1, 0, 1)]
    may_commit.set()
    writer.join(PATIENCE)
    sequencer.run()
    assert late[0] < early
    assert places(project) == [(early, 1, 0, 1), (late[0], 2, 0, 2)]


@pytest.mark.django_db(transaction=True)
def test_a_second_sequencer_does_nothing_while_one_works(project: Project) -> None:
    record(project)
    sequencer.run()
    record(project)
    is_locked, may_end = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic():
                assert selectors.lock_head() is not None
                is_locked.set()
                assert may_end.wait(PATIENCE)
        finally:
            connection.close()

    other = threading.Thread(target=work)
    other.start()
    assert is_locked.wait(PATIENCE)
    assert sequencer.number_batch() == 0
    may_end.set()
    other.join(PATIENCE)
    assert sequencer.number_batch() == 1
