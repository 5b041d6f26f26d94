"""Kafka, as librdkafka's own cluster plays it: complete, in order, repeated after a failure."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from django.utils import timezone
from pytest_django import Settings

from common import traces
from common.models import BackOff
from common.traces import TraceParent
from delivery.bus import kafka, relay
from delivery.bus.kafka import KafkaBus
from delivery.conf import BusSettings
from delivery.models import Outlet
from delivery.tasks import publish_to_kafka
from devtools.processes import free_port
from events import representation
from events.catalog import EventType
from events.log import outbox, sequencer
from events.log import selectors as event_log
from events.models import LoggedEvent
from projects.models import Project
from tests.events.log.recording import NOW, STATE, record
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may pause the cluster for longer than a relay waits for a report."""
    monkeypatch.setattr(kafka, "DELIVERY_SECONDS", PATIENCE)
    monkeypatch.setattr(kafka, "FLUSH_SECONDS", PATIENCE)


@pytest.fixture
def cluster() -> Iterator[Producer]:
    """A cluster of three brokers, which lives as long as this client."""
    client = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "unused"})
    yield client
    kafka._discard()


def addresses(cluster: Producer) -> str:
    return ",".join(f"{each.host}:{each.port}" for each in cluster.list_topics().brokers.values())


@pytest.fixture
def bus(cluster: Producer, settings: Settings) -> KafkaBus:
    settings.BUS = BusSettings(kafka_servers=addresses(cluster))
    return KafkaBus(settings.BUS)


def messages(bus: KafkaBus, count: int) -> list[Message]:
    """All messages of the topic, in the order of each partition, once there are so many events."""
    topic = bus.settings.kafka_topic
    consumer = Consumer({"bootstrap.servers": bus.settings.kafka_servers, "group.id": "test"})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])
    read: list[Message] = []

    def is_complete() -> bool:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            read.append(message)
        return len({message.value() for message in read}) >= count

    wait_until(is_complete, lambda: f"{len(read)} of {count} messages")
    consumer.close()
    return read


def test_events_of_a_customer_are_in_one_partition_in_order(
    bus: KafkaBus, project: Project
) -> None:
    for number in range(100):
        record(project, f"cus_{number % 9}", number)
    sequencer.run()
    assert relay.run(bus, at=timezone.now()).events == 100
    assert Outlet.objects.get(pk="kafka").number == 100
    read = messages(bus, 100)
    bodies = [json.loads(message.value() or b"") for message in read]
    for customer in {body["customer"] for body in bodies}:
        own = [number for number, body in enumerate(bodies) if body["customer"] == customer]
        assert [bodies[number]["sequence"] for number in own] == list(range(1, len(own) + 1))
        assert {read[number].key() for number in own} == {customer.encode()}
        assert len({read[number].partition() for number in own}) == 1
    rows = LoggedEvent.objects.for_project(project).select_related("event").order_by("position")
    expected: list[Any] = [representation.event(row) for row in rows]
    assert sorted(bodies, key=lambda body: int(body["position"])) == expected


def test_headers_say_what_a_consumer_needs_before_it_reads_the_body(
    bus: KafkaBus, project: Project
) -> None:
    event = record(project, "", 1)
    sequencer.run()
    relay.run(bus, at=timezone.now())
    (message,) = messages(bus, 1)
    headers = dict(message.headers() or {})
    assert message.key() == project.pk.encode()
    assert headers == {
        "id": event.encode(),
        "type": b"customer.updated",
        "project": project.pk.encode(),
        "number": b"1",
        "epoch": event_log.epoch().encode(),
    }


def test_a_consumer_continues_the_trace_of_the_request_that_caused_the_event(
    bus: KafkaBus, project: Project
) -> None:
    with traces.inside(TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)):
        parent = traces.current_header()
        record(project, "cus_1", 1)
    sequencer.run()
    relay.run(bus, at=timezone.now())
    (message,) = messages(bus, 1)
    assert dict(message.headers() or {})["traceparent"] == parent.encode()


def test_without_a_broker_the_cursor_stays_and_the_events_come_later(
    bus: KafkaBus, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = record(project, "cus_1", 1)
    sequencer.run()
    nowhere = KafkaBus(BusSettings(kafka_servers=f"127.0.0.1:{free_port()}"))
    with monkeypatch.context() as impatient:
        impatient.setattr(kafka, "DELIVERY_SECONDS", 1)
        impatient.setattr(kafka, "FLUSH_SECONDS", 3)
        assert relay.run(nowhere, at=timezone.now()).events == 0
    assert Outlet.objects.filter(pk="kafka", number__gt=0).count() == 0
    assert BackOff.objects.get(queue="bus", owner="kafka").failures == 1
    assert relay.run(bus, at=timezone.now()).events == 1
    (message,) = messages(bus, 1)
    assert json.loads(message.value() or b"")["id"] == event
    assert not BackOff.objects.filter(queue="bus").exists()


def test_a_message_that_is_too_large_stops_the_outlet(cluster: Producer, project: Project) -> None:
    """A hole would be worse: an operator raises the limit."""
    for number, text in enumerate(["a", "b" * 2000, "c"]):
        outbox.record(
            project_id=project.pk,
            event_type=EventType.CUSTOMER_UPDATED,
            subject="cus_1",
            customer_id="cus_1",
            version=number,
            data={**STATE, "name": text},
            at=NOW,
        )
    sequencer.run()
    servers = addresses(cluster)
    limited = BusSettings(kafka_servers=servers, kafka_options={"message.max.bytes": 1500})
    relay.run(KafkaBus(limited), at=timezone.now())
    assert "MSG_SIZE_TOO_LARGE" in BackOff.objects.get(queue="bus", owner="kafka").last_error
    assert Outlet.objects.filter(pk="kafka", number__gt=0).count() == 0
    bus = KafkaBus(BusSettings(kafka_servers=servers))
    assert relay.run(bus, at=timezone.now()).events == 3
    read = [json.loads(message.value() or b"")["sequence"] for message in messages(bus, 3)]
    assert read in ([1, 2, 3], [1, 1, 2, 3])


def test_the_task_publishes_to_kafka(bus: KafkaBus, project: Project) -> None:
    record(project, "cus_1", 1)
    sequencer.run()
    publish_to_kafka()
    assert len(messages(bus, 1)) == 1
