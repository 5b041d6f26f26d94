"""H7: a poison event is parked; its customer's later events wait in order, all others go on."""

import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from delivery.bus import consumer, held_entries, readers
from delivery.bus.readers import StreamMessage, StreamReader
from delivery.bus.stream_names import STREAM_OF_ALL
from delivery.bus.streams import StreamsBus
from delivery.models import HeldEntry
from events.log import sequencer
from events.models import AuditEntry
from projects.models import Project
from tests.delivery.bus.effects import effects, remember
from tests.delivery.bus.streams import Streams, logged, publish
from tests.events.log.recording import record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("effect_table")]


def consume(streams: Streams, reader: StreamReader, *, at: datetime) -> None:
    for _ in range(3):
        while consumer.run(reader, url=streams.server.url(), at=at, is_blocking=False):
            pass


def refusing(poison: set[str]) -> StreamReader:
    """A consumer that fails with these messages after it has written."""

    def apply(message: StreamMessage) -> None:
        remember(message)
        if message.message_id in poison:
            raise ValueError("I cannot read this: ada@example.com")

    return readers.of_log("test", apply)


def states() -> list[tuple[str, int, bool]]:
    rows = HeldEntry.objects.order_by("pk")
    return [(row.message_id, row.failures, row.parked_at is not None) for row in rows]


def test_one_poison_event_in_a_thousand(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = [record(project, f"cus_{number % 10}", number) for number in range(1000)]
    sequencer.run()
    publish(bus)
    poison = {ids[503]}
    reader = refusing(poison)
    now = timezone.now()
    consume(streams, reader, at=now)
    behind = ids[513::10]
    assert effects() == [each for each in ids if each not in {*poison, *behind}]
    assert states() == [(ids[503], 1, False), *((each, 0, False) for each in behind)]
    assert "[redacted]" in HeldEntry.objects.order_by("pk")[0].error

    for _ in range(5):
        now += timedelta(hours=1)
        consume(streams, reader, at=now)
    assert states()[0] == (ids[503], 5, True)
    assert len(effects("cus_3")) == 50

    poison.clear()
    consume(streams, reader, at=now + timedelta(days=1))
    assert states()[0] == (ids[503], 5, True), "it waits for an operator"
    row = HeldEntry.objects.get(message_id=ids[503])
    held_entries.try_again(row=row, actor="operator:ada", reason="fixed", at=now)
    consume(streams, reader, at=now)
    assert states() == []
    assert effects("cus_3") == ids[3::10]
    assert sorted(effects()) == sorted(ids)
    entry = AuditEntry.objects.get(action="bus.try_again")
    assert (entry.subject, entry.reason) == (ids[503], "fixed")


def test_an_error_that_passes_delays_its_customer_only(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = [record(project, customer, 1) for customer in ("cus_1", "cus_2", "cus_1", "", "")]
    sequencer.run()
    publish(bus)
    poison = {ids[0], ids[3]}
    reader, now = refusing(poison), timezone.now()
    consume(streams, reader, at=now)
    assert effects() == [ids[1], ids[4]], "events without a customer wait for no other"
    poison.clear()
    consume(streams, reader, at=now)
    assert len(effects()) == 2, "the pause is not over"
    consume(streams, reader, at=now + timedelta(seconds=2))
    assert effects() == [ids[1], ids[4], ids[0], ids[2], ids[3]]
    more = logged(project, 1, customer="cus_1")
    publish(bus)
    consume(streams, reader, at=now)
    assert effects()[-1:] == more


def test_the_pauses_grow(bus: StreamsBus, streams: Streams, project: Project) -> None:
    (event,) = logged(project, 1, customer="cus_1")
    publish(bus)
    now = timezone.now()
    consume(streams, refusing({event}), at=now)
    pauses = []
    for _ in range(4):
        row = HeldEntry.objects.get()
        pauses.append((row.next_try_at - now).total_seconds())
        now = row.next_try_at
        consume(streams, refusing({event}), at=now)
    assert pauses == [1, 4, 16, 64]
    assert HeldEntry.objects.get().parked_at == now


def test_an_entry_that_cannot_be_parsed_is_held(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    first = logged(project, 1)
    publish(bus)
    streams.client.xadd("others", {"body": "{"})
    streams.client.xadd("others", {"id": "b", "customer": "", "project": "p", "body": "{}"})
    reader = StreamReader(
        consumer="test", stream="others", parse=readers.parse_event, apply=remember
    )
    consume(streams, reader, at=timezone.now())
    row = HeldEntry.objects.get()
    assert (row.lane, json.loads(row.fields)) == ("", {"body": "{"})
    assert row.error.startswith("JSONDecodeError")
    assert effects() == ["b"]
    assert first


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "a\0", "customer": "", "project": "p", "body": "{}"},
        {"id": "a", "customer": "c" * 1000, "project": "p", "body": "{}"},
        {"id": "a" * 1000, "customer": "", "project": "p", "body": "{}"},
        {"id": "a", "customer": "", "project": "p", "body": "\0"},
        {"id": "a", "customer": "", "project": "p", "body": b"\xff\xfe"},
        {"\0": "\0"},
    ],
)
def test_whatever_others_write_stops_nobody(
    streams: Streams, fields: dict[str, str | bytes]
) -> None:
    streams.client.xadd("others", fields)
    streams.client.xadd("others", {"id": "b", "customer": "", "project": "p", "body": "{}"})
    reader = StreamReader(
        consumer="test", stream="others", parse=readers.parse_event, apply=remember
    )
    now = timezone.now()
    for hour in range(6):
        consume(streams, reader, at=now + timedelta(hours=hour))
    assert effects() == ["b"]
    row = HeldEntry.objects.get()
    assert row.parked_at is not None
    assert set(json.loads(row.fields)) == set(fields)


def test_what_the_log_keeps_is_not_stored_a_second_time(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    """So nothing of an erased customer stays here."""
    (event,) = logged(project, 1, customer="cus_1")
    publish(bus)
    now = timezone.now()
    consume(streams, refusing({event}), at=now)
    assert HeldEntry.objects.get().fields == ""
    streams.client.delete(STREAM_OF_ALL)
    erase_log()
    consume(streams, refusing(set()), at=now + timedelta(hours=1))
    assert HeldEntry.objects.get().error.startswith("EventDropped")


@pytest.mark.django_db(transaction=True)
def test_a_failed_statement_in_an_effect_is_undone(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    first, second = logged(project, 2)
    publish(bus)

    def apply(message: StreamMessage) -> None:
        remember(message)
        if message.message_id == first:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

    consume(streams, readers.of_log("test", apply), at=timezone.now())
    assert effects() == [second]
    assert states() == [(first, 1, False)]


def erase_log() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_loggedevent")
