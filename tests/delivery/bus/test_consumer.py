"""A consumer deals with each event once and in order, whatever happens to the bus."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.bus import consumer, inbox, readers, stream_group
from delivery.bus.bus import BusUnavailable
from delivery.bus.readers import StreamEntry, StreamMessage, StreamReader
from delivery.bus.stream_names import EPOCH, STREAM_OF_ALL
from delivery.bus.streams import StreamsBus
from delivery.models import BusCheckpoint, InboxEntry
from events.log import epochs
from events.log import selectors as event_log
from events.models import LoggedEvent
from projects.models import Project
from tests.delivery.bus.effects import effects, remember
from tests.delivery.bus.streams import Streams, logged, publish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("effect_table")]
READER = readers.of_log("test", remember)


def consume(streams: Streams, reader: StreamReader = READER) -> None:
    """Until two rounds in a row have brought nothing."""
    nothing = 0
    while nothing < 2:
        count = consumer.run(reader, url=streams.server.url(), at=timezone.now(), is_blocking=False)
        nothing = 0 if count else nothing + 1


def checkpoint() -> str:
    return BusCheckpoint.objects.get(consumer="test").entry_id


def test_events_come_once_and_in_order(
    bus: StreamsBus, streams: Streams, project: Project, other_project: Project
) -> None:
    ids = [*logged(project, 150, customer="cus_1"), *logged(other_project, 10)]
    publish(bus)
    consume(streams)
    ids += logged(project, 5)
    publish(bus)
    consume(streams)
    assert effects() == ids
    assert checkpoint() == "165-0"
    assert streams.client.xinfo_groups(STREAM_OF_ALL)[0]["pending"] == 0


def test_entries_that_are_delivered_again_have_no_effect(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 10)
    publish(bus)
    consume(streams)
    streams.client.xgroup_setid(STREAM_OF_ALL, "test", "0-0")
    consume(streams)
    BusCheckpoint.objects.update(entry_id="0-0")
    streams.client.xgroup_setid(STREAM_OF_ALL, "test", "0-0")
    consume(streams)
    assert effects() == ids


def test_two_consumers_each_get_everything(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 3)
    publish(bus)
    consume(streams)
    consume(streams, readers.of_log("second", remember))
    assert len(effects()) == 6


def test_an_emptied_bus_is_read_on_from_the_checkpoint(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 5)
    publish(bus)
    consume(streams)
    streams.client.flushall()
    consume(streams)
    ids += logged(project, 3)
    publish(bus)
    consume(streams)
    assert effects() == ids
    assert checkpoint() == "8-0"


def test_trimmed_events_are_read_from_the_log(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 30)
    publish(bus)
    streams.client.xtrim(STREAM_OF_ALL, maxlen=1, approximate=False)
    consume(streams)
    assert effects() == ids


def test_entries_trimmed_after_they_were_read_come_from_the_log(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 4)
    publish(bus)
    group = stream_group.StreamGroup(streams.server.url(), READER)
    group.begin_after("0-0")
    assert len(group.new(is_blocking=False)) == 4
    group.close()
    streams.client.xtrim(STREAM_OF_ALL, maxlen=0, approximate=False)
    ids += logged(project, 1)
    publish(bus)
    consume(streams)
    assert effects() == ids
    assert streams.client.xinfo_groups(STREAM_OF_ALL)[0]["pending"] == 0


def test_what_even_the_log_has_dropped_is_passed_over(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 5)
    publish(bus)
    LoggedEvent.objects.for_project(project).filter(position__lte=2).delete()
    streams.client.flushall()
    publish(bus)
    consume(streams)
    assert effects() == ids[2:]
    assert checkpoint() == "5-0"


def test_a_new_history_is_read_from_the_checkpoint(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 3)
    publish(bus)
    consume(streams)
    epochs.begin(instead_of=event_log.epoch())
    ids += logged(project, 2)
    publish(bus)
    consume(streams)
    assert effects() == ids
    assert BusCheckpoint.objects.get().epoch == streams.epoch() == event_log.epoch()


def test_a_stream_that_is_being_rebuilt_is_left_alone(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 1)
    publish(bus)
    streams.client.delete(EPOCH)
    consume(streams)
    assert effects() == []


def test_a_dead_bus_is_reported_and_costs_nothing(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    ids = logged(project, 2)
    publish(bus)
    consume(streams)
    with streams.frozen(), pytest.raises(BusUnavailable):
        consume(streams)
    ids += logged(project, 1)
    publish(bus)
    consume(streams)
    assert effects() == ids


def test_processes_that_are_gone_leave_the_group(
    bus: StreamsBus, streams: Streams, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_group, "STALE_SECONDS", -1)
    consumer._cleaned_at.clear()
    logged(project, 1)
    publish(bus)
    streams.client.xgroup_create(STREAM_OF_ALL, "test", id="0-0")
    streams.client.xgroup_createconsumer(STREAM_OF_ALL, "test", "gone")
    consume(streams)
    names = [each["name"] for each in streams.client.xinfo_consumers(STREAM_OF_ALL, "test")]
    assert len(names) == 1
    assert "gone" not in names


def test_a_stream_of_others_whose_ids_have_holes(streams: Streams) -> None:
    """Its sender may repeat a message under another id: the inbox notices."""

    def parse(entry: StreamEntry) -> StreamMessage:
        return StreamMessage(entry.fields["event"], entry.fields["user"], entry.fields)

    users = StreamReader(consumer="test", stream="auth:users", parse=parse, apply=remember)
    for event in ("a", "b", "a", "c"):
        streams.client.xadd("auth:users", {"event": event, "user": "u1"})
    consume(streams, users)
    streams.client.delete("auth:users")
    streams.client.xadd("auth:users", {"event": "c", "user": "u1"})
    streams.client.xadd("auth:users", {"event": "d", "user": "u1"})
    consume(streams, users)
    assert effects() == ["a", "b", "c", "d"]


def test_the_inbox_is_kept_longer_than_a_refill_can_reach(
    bus: StreamsBus, streams: Streams, project: Project
) -> None:
    logged(project, 2)
    publish(bus)
    consume(streams)
    now = timezone.now()
    assert inbox.purge(at=now + timedelta(days=62)) == 0
    assert inbox.purge(at=now + timedelta(days=91)) == 2
    assert not InboxEntry.objects.exists()
