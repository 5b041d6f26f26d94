"""The shared stream in Kafka, as librdkafka's own cluster plays it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from delivery.conf import BusSettings, InboundSources
from delivery.inbound import kafka_source, sources
from delivery.inbound.api import messages
from delivery.models import HeldEntry, InboxEntry
from projects.models import Project
from tests.delivery.bus.test_kafka import addresses
from tests.delivery.inbound.sending import addressed, event_types, let_follow, people
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db
TOPIC = "auth.users"


@pytest.fixture
def cluster(settings: Settings) -> Iterator[Producer]:
    """A cluster of one broker, which lives as long as this client."""
    client = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    settings.BUS = BusSettings(kafka_servers=addresses(client))
    settings.INBOUND = InboundSources(kafka_topic=TOPIC)
    yield client
    kafka_source.discard()


def write(cluster: Producer, *bodies: str | bytes, key: str = "ada") -> None:
    for body in bodies:
        cluster.produce(TOPIC, value=body, key=key)
    assert cluster.flush(10) == 0


def read(count: int) -> None:
    """Until so many messages have come."""
    total = 0

    def is_complete() -> bool:
        nonlocal total
        total += sources.read_kafka(parse=messages.parse_entry, at=timezone.now())
        return total >= count

    wait_until(is_complete, lambda: f"{total} of {count} messages")


def test_messages_change_customers_in_order(cluster: Producer, project: Project) -> None:
    let_follow(project)
    write(cluster, *(addressed(project, f"m{n}", "updated", n, name=f"{n}") for n in range(50)))
    read(50)
    assert people(project) == [("ada", "", "49")]
    assert event_types(project) == ["customer.created", *["customer.updated"] * 49]
    write(cluster, addressed(project, "last", "deleted", 50))
    read(1)
    assert people(project) == []


def test_poison_is_held_and_stops_nobody(cluster: Producer, project: Project) -> None:
    let_follow(project)
    write(cluster, b"\xff\x00", b"{}", addressed(project, "m1", "created", 1))
    read(3)
    assert [user_id for user_id, _, _ in people(project)] == ["ada"]
    assert HeldEntry.objects.filter(failures=1, consumer="inbound").count() == 2


def test_what_was_read_and_not_dealt_with_is_read_again(
    cluster: Producer, project: Project
) -> None:
    """The database is lost at the third message; the next run begins there."""
    let_follow(project)
    write(cluster, *(addressed(project, f"m{n}", "updated", n, name=f"{n}") for n in range(5)))
    with connection.execute_wrapper(lost_at(3)), pytest.raises(OperationalError):
        read(5)
    assert people(project) == [("ada", "", "1")]
    read(3)
    assert people(project) == [("ada", "", "4")]
    assert InboxEntry.objects.filter(consumer="inbound").count() == 5


def lost_at(message: int) -> Callable[..., Any]:
    """The database is away when this message comes."""
    count = 0

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal count
        is_message = sql.startswith('INSERT INTO "delivery_inboxentry"')
        count += is_message
        if is_message and count >= message:
            raise OperationalError("The connection is lost.")
        return run(sql, *rest)

    return execute


def test_a_new_group_reads_everything_without_a_second_effect(
    cluster: Producer, project: Project, settings: Settings
) -> None:
    let_follow(project)
    write(cluster, *(addressed(project, f"m{n}", "updated", n, name=f"{n}") for n in range(5)))
    read(5)
    kafka_source.discard()
    settings.INBOUND = InboundSources(kafka_topic=TOPIC, kafka_group="another")
    read(5)
    assert event_types(project) == ["customer.created", *["customer.updated"] * 4]
