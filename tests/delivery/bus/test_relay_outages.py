"""A bus that is dead, frozen, full or refuses an entry: nothing is lost, and nobody else waits."""

from datetime import timedelta

import pytest
from django.utils import timezone

from common.models import BackOff
from delivery.bus import relay
from delivery.bus.bus import BusUnavailable
from delivery.bus.stream_names import STREAM_OF_ALL, stream_of
from delivery.bus.streams import StreamsBus
from delivery.tasks import publish_to_streams
from events.log import rendered
from projects.models import Project
from tests.api_client import ApiClient
from tests.delivery.bus.streams import Streams, assert_complete, cursor, failure, logged, publish

pytestmark = pytest.mark.django_db


def test_a_dead_bus(bus: StreamsBus, streams: Streams, project: Project, api: ApiClient) -> None:
    logged(project, 2)
    publish(bus)
    streams.kill()
    ids = logged(project, 3)
    assert relay.run(bus, at=timezone.now()).events == 0
    assert failure().startswith("BusUnavailable: ConnectionRefusedError")
    assert cursor() == 2
    assert [event["id"] for event in api.get("/events").json()["data"]][2:] == ids
    streams.server.restart()
    publish(bus)
    assert_complete(streams, project)
    assert failure() == ""


def test_a_frozen_bus(bus: StreamsBus, streams: Streams, project: Project, api: ApiClient) -> None:
    logged(project, 2)
    publish(bus)
    ids = logged(project, 3)
    with streams.frozen():
        assert relay.run(bus, at=timezone.now()).events == 0
        assert "TimeoutError" in failure()
        assert [event["id"] for event in api.get("/events").json()["data"]][2:] == ids
    publish(bus)
    assert_complete(streams, project)


def test_a_full_bus(bus: StreamsBus, streams: Streams, project: Project, api: ApiClient) -> None:
    logged(project, 2)
    publish(bus)
    streams.client.config_set("maxmemory", "1mb")
    ids = logged(project, 700)
    assert relay.run(bus, at=timezone.now()).events == 0
    assert "OOM" in failure()
    assert len(streams.entries(STREAM_OF_ALL)) == 2, "a batch is written as a whole or not at all"
    assert len(api.get("/events", query={"limit": "500"}).json()["data"]) == 500
    streams.client.config_set("maxmemory", "0")
    assert publish(bus) == len(ids)
    assert_complete(streams, project)


def test_a_bus_that_refuses_our_password(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 1)
    streams.client.config_set("requirepass", "changed")
    assert relay.run(bus, at=timezone.now()).events == 0
    assert "WRONGPASS" in failure()
    streams.client.config_set("requirepass", streams.server.password)
    publish(bus)
    assert_complete(streams, project)


def test_a_bus_that_refuses_a_command(bus: StreamsBus, streams: Streams, project: Project) -> None:
    """As while it loads its data."""
    logged(project, 1)
    streams.client.acl_setuser("default", enabled=True, commands=["-watch", "-get"])
    assert relay.run(bus, at=timezone.now()).events == 0
    assert "NOPERM" in failure() or "NoPermission" in failure()
    streams.client.acl_setuser("default", enabled=True, commands=["+watch", "+get"])
    publish(bus)
    assert_complete(streams, project)


def test_an_entry_that_is_refused_stops_the_batch(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    """Any refusal but "equal or smaller" means that something is missing."""
    logged(project, 1)
    publish(bus)
    streams.client.delete(STREAM_OF_ALL)
    streams.client.set(STREAM_OF_ALL, "not a stream")
    logged(project, 1)
    relay.run(bus, at=timezone.now())
    assert "WRONGTYPE" in failure()
    assert cursor() == 1
    streams.client.delete(STREAM_OF_ALL)
    publish(bus)
    assert_complete(streams, project)


def test_a_refusal_within_a_batch_leaves_the_cursor(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    logged(project, 1)
    publish(bus)
    logged(other_project, 1)
    streams.client.set(stream_of(other_project.pk), "not a stream")
    relay.run(bus, at=timezone.now())
    assert "WRONGTYPE" in failure()
    assert cursor() == 1
    streams.client.delete(stream_of(other_project.pk))
    publish(bus)
    assert_complete(streams, project, other_project)


def test_an_entry_that_was_refused_among_others_is_not_taken_for_published(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    """Its key became something else after the relay had looked at it."""
    logged(project, 1)
    publish(bus)
    logged(project, 1)
    bus._look([project.pk])
    streams.client.set(stream_of(project.pk), "not a stream")
    (second,) = rendered.page(after=1)
    with pytest.raises(BusUnavailable, match="WRONGTYPE"):
        bus._add_all([second], meanwhile=lambda: None)
    bus.close()


def test_the_pauses_grow_and_a_waiting_relay_does_not_ask(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 1)
    streams.kill()
    for number in range(1, 4):
        publish_to_streams()
        row = BackOff.objects.get(queue="bus")
        assert row.failures == number
        assert row.retry_at - timezone.now() > timedelta(seconds=0.5 * 2 ** (number - 1))
        publish_to_streams()
        row.refresh_from_db()
        assert row.failures == number, "it waits"
        BackOff.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
