"""``manage.py refill_bus`` and the bus in ``/health``."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from common.models import BackOff
from delivery.bus.stream_names import STREAM_OF_ALL, stream_of
from delivery.bus.streams import StreamsBus
from delivery.conf import BusSettings
from delivery.models import HeldEntry
from events.models import OutboxEvent
from projects.models import Project
from tests.delivery.bus.streams import Streams, assert_complete, cursor, logged, publish

pytestmark = pytest.mark.django_db


def refill(*arguments: str) -> str:
    output = io.StringIO()
    call_command("refill_bus", *arguments, stdout=output)
    return output.getvalue()


def health() -> Any:
    return Client().get("/health").json()["checks"].get("bus")


def test_a_refill_from_the_oldest_has_what_an_erasure_left(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 5)
    publish(bus)
    OutboxEvent.objects.for_project(project).update(data={"name": "erased"})
    assert refill("--from-oldest") == "5 event(s) published, 0 added to projects' streams.\n"
    assert_complete(streams, project)
    assert {body["data"]["name"] for body in streams.bodies(STREAM_OF_ALL)} == {"erased"}
    assert cursor() == 5


def test_a_refill_completes_the_streams_of_quiet_projects(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    logged(project, 5)
    logged(other_project, 2)
    publish(bus)
    streams.client.delete(stream_of(project.pk))
    assert refill() == "0 event(s) published, 5 added to projects' streams.\n"
    assert_complete(streams, project, other_project)


def test_a_refill_without_a_bus_says_what_is_missing(settings: Settings) -> None:
    with pytest.raises(CommandError, match="Set BUS_URL"):
        refill()


def test_a_refill_of_a_frozen_bus_ends_with_the_reason(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 1)
    publish(bus)
    with streams.frozen(), pytest.raises(CommandError, match="TimeoutError"):
        refill("--from-oldest")
    assert cursor() == 1


def test_health_shows_the_lag_of_a_configured_bus(
    bus: StreamsBus, streams: Streams, project: Project, settings: Settings
) -> None:
    logged(project, 3)
    publish(bus)
    assert health() == {"status": "ok", "seconds": 0.0}
    logged(project, 2)
    check = health()
    assert (check["status"], check["detail"]) == ("ok", "2 to be published to Redis Streams")
    HeldEntry.objects.create(
        consumer="search",
        stream=STREAM_OF_ALL,
        entry_id="1-0",
        message_id="evt_1",
        fields="",
        held_at=timezone.now(),
        next_try_at=timezone.now(),
        parked_at=timezone.now(),
    )
    assert (health()["status"], health()["detail"]) == (
        "degraded",
        "2 to be published to Redis Streams, 1 parked by consumers",
    )
    settings.BUS = BusSettings()
    assert health() is None


def test_health_shows_a_bus_that_waits(bus: StreamsBus, streams: Streams, project: Project) -> None:
    logged(project, 1)
    BackOff.objects.create(
        queue="bus", owner="bus", retry_at=timezone.now() + timedelta(seconds=30)
    )
    queues = Client().get("/health").json()["checks"]["queues"]
    assert (queues["status"], queues["detail"]) == (
        "degraded",
        "bus: 1 waiting, 0 parked, of 1",
    )
