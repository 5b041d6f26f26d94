"""The relay copies the log to the streams: complete, in order, each event once."""

import json

import pytest
from django.db import transaction
from django.utils import timezone

from common import traces
from common.traces import TraceParent
from delivery.bus import relay
from delivery.bus.stream_names import STREAM_OF_ALL, stream_of
from delivery.bus.streams import StreamsBus
from delivery.models import Outlet
from delivery.tasks import publish_to_kafka, publish_to_streams
from events import representation
from events.catalog import EventType
from events.log import outbox, sequencer
from events.log import selectors as event_log
from events.models import LoggedEvent
from projects.models import Project
from tests.delivery.bus.streams import Streams, assert_complete, cursor, logged, publish
from tests.events.log.recording import NOW, STATE, record

pytestmark = pytest.mark.django_db


def test_every_event_is_in_the_stream_of_all_and_in_its_projects(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    for each in (project, other_project, project):
        logged(each, 2, customer="cus_1")
    assert publish(bus) == 6
    assert_complete(streams, project, other_project)
    assert streams.epoch() == event_log.epoch()
    assert cursor() == 6


def test_an_entry_has_the_trace_of_the_request_that_caused_the_event(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    """In both of its streams; an entry without a trace has no such field."""
    with traces.inside(TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)):
        parent = traces.current_header()
        record(project, "cus_1", 1)
    logged(project, 1)
    publish(bus)
    for stream in (STREAM_OF_ALL, stream_of(project.pk)):
        ((_, first), (_, second)) = streams.client.xrange(stream)
        assert list(first)[-1] == "traceparent"
        assert first["traceparent"] == parent
        assert "traceparent" not in second
        assert json.loads(first["body"])["customer"] == "cus_1"


def test_an_entry_has_the_body_that_the_api_answers(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    data = {**STATE, "name": 'ä"\\\n\u2028 𝄞', "version": 10**17, "metadata": {"": "\t"}}
    outbox.record(
        project_id=project.pk,
        event_type=EventType.CUSTOMER_UPDATED,
        subject="cus_1",
        customer_id="cus_1",
        version=3,
        data=data,
        previous={"name": "\x7f", "metadata": {}},
        at=NOW,
    )
    logged(project, 1)
    publish(bus)
    rows = LoggedEvent.objects.for_project(project).select_related("event").order_by("position")
    bodies = [representation.event(row) for row in rows]
    assert streams.bodies(stream_of(project.pk)) == bodies == streams.bodies(STREAM_OF_ALL)
    ((_, first), (_, second)) = streams.client.xrange(STREAM_OF_ALL)
    assert list(first) == ["id", "type", "project", "customer", "body"]
    assert (first["type"], first["project"]) == ("customer.updated", project.pk)
    assert (first["customer"], second["customer"]) == ("cus_1", "")
    assert [list(json.loads(each["body"])) for each in (first, second)] == [
        list(body) for body in bodies
    ]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_is_not_published(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    kept = logged(project, 1)
    with transaction.atomic():
        record(project, "cus_1", 1)
        transaction.set_rollback(True)
    logged(project, 0)
    publish(bus)
    assert streams.entries(STREAM_OF_ALL) == [("1-0", kept[0])]


def test_events_of_a_customer_come_in_order_without_holes(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    for number in range(60):
        record(project, f"cus_{number % 7}", number)
        if number % 11 == 0:
            sequencer.run()
            relay.run(bus, at=timezone.now(), max_batches=1)
    sequencer.run()
    publish(bus)
    bodies = streams.bodies(STREAM_OF_ALL)
    for customer in {body["customer"] for body in bodies}:
        own = [body["sequence"] for body in bodies if body["customer"] == customer]
        assert own == list(range(1, len(own) + 1))
    assert len(bodies) == 60


def test_a_batch_that_is_published_again_changes_nothing(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 5)
    publish(bus)
    Outlet.objects.filter(pk="bus").update(number=2)
    epoch = event_log.epoch()
    publish(bus)
    assert_complete(streams, project)
    assert (cursor(), event_log.epoch()) == (5, epoch)


def test_streams_keep_about_as_many_entries_as_configured(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 3000)
    publish(bus)
    for key in (STREAM_OF_ALL, stream_of(project.pk)):
        ids = [entry_id for entry_id, _ in streams.entries(key)]
        assert 1000 <= len(ids) < 1500
        assert ids[-1] == "3000-0"


def test_a_page_that_was_read_ahead_is_the_next_one(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 1001)
    assert relay.run(bus, at=timezone.now(), max_batches=4).events == 1001
    assert len(streams.entries(STREAM_OF_ALL)) >= 1000


def test_the_task_publishes_to_the_configured_bus(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    publish_to_streams()
    logged(project, 2)
    publish_to_streams()
    publish_to_kafka()
    assert_complete(streams, project)
    assert not Outlet.objects.filter(pk="kafka").exists()


def test_a_relay_without_work_looks_at_the_bus_once_a_second_only(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    assert not relay.is_due("bus"), "the log is empty"
    logged(project, 1)
    assert relay.is_due("bus")
    publish(bus)
    relay._looked_at["bus"] += 1000
    assert not relay.is_due("bus")
    relay._looked_at["bus"] -= 2000
    assert relay.is_due("bus")
