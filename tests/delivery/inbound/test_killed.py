"""A reader of the shared stream that is killed in the middle leaves nothing half done."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from delivery.bus import stream_group
from delivery.conf import InboundSources
from delivery.inbound import sources
from delivery.inbound.api import messages
from delivery.models import InboxEntry
from projects.models import Project
from tests.delivery.bus.bus_process import no_writes, process
from tests.delivery.bus.streams import Streams
from tests.delivery.inbound.sending import addressed, event_types, let_follow, people
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STREAM = "auth:users"


def test_a_killed_reader_has_no_effect_twice_and_loses_none(
    streams: Streams, project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INBOUND = InboundSources(stream=STREAM, stream_url=streams.server.url())
    let_follow(project)
    for number in range(20):
        body = addressed(project, f"m{number}", "updated", number, name=f"Name {number}")
        streams.client.xadd(STREAM, {"body": body})

    with no_writes("delivery_inboxentry"), process("inbound"):
        wait_until(lambda: is_given(streams))
    assert event_types(project) == []

    monkeypatch.setattr(stream_group, "IDLE_SECONDS", 0)
    while sources.read_stream(parse=messages.parse_entry, at=timezone.now()):
        pass
    assert people(project) == [("ada", "", "Name 19")]
    assert event_types(project) == ["customer.created", *["customer.updated"] * 19]
    assert InboxEntry.objects.filter(consumer="inbound").count() == 20
    assert streams.client.xpending(STREAM, "inbound")["pending"] == 0


def is_given(streams: Streams) -> bool:
    """Whether the other process has the entries."""
    groups = streams.client.xinfo_groups(STREAM)
    return bool(groups) and groups[0]["pending"] == 20
