"""H1, H6: relays and consumers that are killed at the worst moment, as processes of their own."""

from functools import partial

import pytest
from django.utils import timezone

from delivery.bus import consumer, readers, stream_group
from delivery.bus.stream_names import STREAM_OF_ALL
from delivery.bus.streams import StreamsBus
from delivery.models import InboxEntry
from events.log import selectors as event_log
from projects.models import Project
from tests.delivery.bus.bus_process import no_writes, process
from tests.delivery.bus.effects import effects, remember
from tests.delivery.bus.streams import Streams, assert_complete, cursor, logged, publish
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
READER = readers.of_log("test", remember)


@pytest.mark.parametrize("deaths", [1, 3])
def test_a_relay_killed_between_publishing_and_moving_its_cursor(
    bus: StreamsBus, streams: Streams, project: Project, deaths: int
) -> None:
    logged(project, 1)
    publish(bus)
    epoch = event_log.epoch()
    for number in range(deaths):
        logged(project, 1)
        with no_writes("delivery_outlet"), process("relay"):
            wait_until(partial(has_entries, streams, number + 2))
        assert cursor() == 1
    publish(bus)
    assert_complete(streams, project)
    assert (cursor(), event_log.epoch()) == (deaths + 1, epoch)


def test_a_consumer_killed_with_entries_that_it_had_been_given(
    bus: StreamsBus,
    streams: Streams,
    project: Project,
    effect_table: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = logged(project, 20, customer="cus_1")
    publish(bus)
    with no_writes("delivery_inboxentry"), process("consumer"):
        wait_until(lambda: pending(streams) == 20)
    assert effects() == []

    monkeypatch.setattr(stream_group, "IDLE_SECONDS", 0)
    while consumer.run(READER, url=streams.server.url(), at=timezone.now()):
        pass
    assert effects() == ids
    assert pending(streams) == 0
    assert InboxEntry.objects.filter(consumer="test").count() == 20


def pending(streams: Streams) -> int:
    groups = streams.client.xinfo_groups(STREAM_OF_ALL)
    return sum(group["pending"] for group in groups)


def has_entries(streams: Streams, count: int) -> bool:
    return len(streams.entries(STREAM_OF_ALL)) == count
