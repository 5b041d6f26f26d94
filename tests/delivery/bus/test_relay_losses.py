"""A bus that has lost events gets them again; one that knows more than the log is rebuilt."""

import threading
from typing import Any

import pytest
import redis
from django.db import connection
from django.utils import timezone

from delivery.bus import relay
from delivery.bus.stream_commands import pack_fields
from delivery.bus.stream_names import EPOCH, STREAM_OF_ALL, stream_of
from delivery.bus.streams import StreamsBus
from delivery.models import Outlet
from events.log import epochs, rendered
from events.log import selectors as event_log
from events.models import LoggedEvent, LogHead, ProjectHead
from projects.models import Project
from tests.api_client import ApiClient
from tests.delivery.bus.streams import Streams, assert_complete, cursor, logged, publish

pytestmark = pytest.mark.django_db


def test_an_emptied_bus_is_filled_from_the_oldest_event(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    for each in (project, other_project, project):
        logged(each, 3)
    publish(bus)
    LoggedEvent.objects.across_projects().filter(number__lte=2).delete()
    epoch = event_log.epoch()
    streams.client.flushall()
    assert publish(bus) == 7, "although there is no new event"
    assert_complete(streams, project, other_project)
    assert (streams.epoch(), event_log.epoch()) == (epoch, epoch)


def test_a_batch_is_not_added_to_a_bus_that_was_emptied_since_the_look(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    """It would begin behind a hole."""
    logged(project, 2)
    publish(bus)
    bus._look([])
    streams.client.flushall()
    (_, first) = rendered.page(after=0)
    assert not bus._transact([bus._add_to_all(first, pack_fields(first))])
    assert streams.entries(STREAM_OF_ALL) == []


def test_the_streams_are_still_watched_after_one_was_filled_up(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 4)
    publish(bus)
    streams.client.delete(stream_of(project.pk))
    epoch, _ = bus._look([project.pk])
    assert bus._complete_projects({project.pk: 4}, epoch) == 3
    streams.client.flushall()
    last = rendered.page(after=3)
    assert not bus._add_all(last, meanwhile=lambda: None)
    bus.close()
    publish(bus)
    assert_complete(streams, project)


@pytest.mark.django_db(transaction=True)
def test_a_bus_that_is_emptied_again_and_again(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    """Emptied at any moment of a run, it is complete soon after the last time."""
    logged(project, 600)
    is_over = threading.Event()

    def empty() -> None:
        while not is_over.wait(0.005):
            streams.client.flushall()

    emptying = threading.Thread(target=empty)
    emptying.start()
    try:
        for _ in range(30):
            publish_a_little(bus)
    finally:
        is_over.set()
        emptying.join()
    publish(bus)
    assert_complete(streams, project)


def test_a_bus_from_an_older_copy_is_filled_up(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    logged(project, 3)
    publish(bus)
    keys = [STREAM_OF_ALL, stream_of(project.pk)]
    copy = dump(streams, keys)
    logged(project, 2)
    logged(other_project, 2)
    publish(bus)
    streams.client.delete(stream_of(other_project.pk))
    restore(streams, copy)
    publish(bus)
    assert_complete(streams, project, other_project)


def test_a_projects_stream_that_was_deleted_is_filled_with_its_next_event(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    for each in (project, other_project):
        logged(each, 4)
    publish(bus)
    streams.client.delete(stream_of(project.pk))
    logged(other_project, 1)
    publish(bus)
    assert streams.entries(stream_of(project.pk)) == []
    logged(project, 1)
    publish(bus)
    assert_complete(streams, project, other_project)


def test_a_relay_that_has_died_before_it_moved_its_cursor_begins_no_new_history(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 4)
    publish(bus)
    epoch = event_log.epoch()
    Outlet.objects.filter(pk="bus").update(number=1)
    publish(bus)
    assert (cursor(), event_log.epoch(), streams.epoch()) == (4, epoch, epoch)


@pytest.mark.parametrize("recorded_since", [0, 1, 2, 5])
def test_a_restored_database_begins_a_new_history(
    bus: StreamsBus,
    streams: Streams,
    project: Project,
    api: ApiClient,
    recorded_since: int,
) -> None:
    """Its log has given the same numbers to other events, or not given them yet."""
    logged(project, 3)
    publish(bus)
    reader = api.get("/events").json()["next"]
    before = event_log.epoch()
    logged(project, 2)
    publish(bus)
    restore_log(project, 3)
    logged(project, recorded_since)

    publish(bus)
    assert event_log.epoch() == streams.epoch() != before
    assert_complete(streams, project)
    assert api.get("/events", query={"after": reader}).json()["code"] == "events-rewound"


def test_an_operator_may_name_a_new_history(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 3)
    publish(bus)
    name = epochs.begin(instead_of=event_log.epoch())
    assert epochs.begin(instead_of="of another process") == name
    publish(bus)
    assert streams.epoch() == name
    assert_complete(streams, project)


def test_a_bus_of_another_history_is_emptied_before_it_is_named(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 2)
    publish(bus)
    streams.client.set(EPOCH, "of another history")
    streams.client.xadd(STREAM_OF_ALL, {"id": "evt_other"}, id="99-0")
    publish(bus)
    assert_complete(streams, project)


def publish_a_little(bus: StreamsBus) -> None:
    relay.run(bus, at=timezone.now(), max_batches=3)


def restore_log(project: Project, position: int) -> None:
    """Take the log back to an earlier state, as a copy of the database does."""
    LoggedEvent.objects.for_project(project).filter(position__gt=position).delete()
    LogHead.objects.update(number=position)
    ProjectHead.objects.for_project(project).update(position=position)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_customerhead")
    Outlet.objects.filter(pk="bus").update(number=position)


def dump(streams: Streams, keys: list[str]) -> dict[str, bytes]:
    """Copies of these keys."""
    return {key: binary(streams).dump(key) for key in keys}


def restore(streams: Streams, copy: dict[str, bytes]) -> None:
    for key, value in copy.items():
        binary(streams).restore(key, 0, value, replace=True)


def binary(streams: Streams) -> Any:
    return redis.Redis.from_url(streams.server.url(), retry=None)
