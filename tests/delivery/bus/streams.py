"""What is in the streams, and events to put into them."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from django.utils import timezone

from common.models import BackOff
from delivery.bus import relay
from delivery.bus.stream_names import EPOCH, STREAM_OF_ALL, stream_of
from delivery.bus.streams import StreamsBus
from delivery.models import Outlet
from devtools.embedded.valkey import Valkey
from events.log import sequencer
from events.models import LoggedEvent
from projects.models import Project
from tests.events.log.recording import record


class Streams:
    """Reads the streams of a server."""

    def __init__(self, server: Valkey) -> None:
        self.server = server
        self.client: Any = redis.Redis.from_url(server.url(), decode_responses=True, retry=None)
        self.pid: int = self.client.info("server")["process_id"]

    def entries(self, key: str) -> list[tuple[str, str]]:
        """Id of the entry and of its event, in order."""
        return [(entry_id, fields["id"]) for entry_id, fields in self.client.xrange(key)]

    def bodies(self, key: str) -> list[dict[str, Any]]:
        return [json.loads(fields["body"]) for _, fields in self.client.xrange(key)]

    def epoch(self) -> str | None:
        epoch: str | None = self.client.get(EPOCH)
        return epoch

    def close(self) -> None:
        self.client.close()

    def kill(self) -> None:
        """End the server with its data; its address stays known."""
        process = self.server._child
        assert process is not None
        process.kill()
        process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block the server does not answer."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


def logged(project: Project, count: int, *, customer: str = "") -> list[str]:
    """Record events and give them their places. Returns their ids."""
    ids = [record(project, customer, number) for number in range(1, count + 1)]
    while not sequencer.run().is_complete:
        pass
    return ids


def publish(bus: StreamsBus) -> int:
    """Let the relay run until nothing is left. Returns how many events it has published."""
    events = 0
    for _ in range(50):
        run = relay.run(bus, at=timezone.now())
        events += run.events
        if run.is_complete:
            return events
    raise AssertionError(f"not complete: {BackOff.objects.values()}")


def assert_complete(streams: Streams, *projects: Project) -> None:
    """All streams have exactly the events of the log, at their places."""
    rows = LoggedEvent.objects.across_projects().order_by("number")
    assert streams.entries(STREAM_OF_ALL) == [(f"{row.number}-0", row.pk) for row in rows]
    for project in projects:
        own = LoggedEvent.objects.for_project(project).order_by("position")
        expected = [(f"{row.position}-0", row.pk) for row in own]
        assert streams.entries(stream_of(project.pk)) == expected


def cursor() -> int:
    return Outlet.objects.get(pk="bus").number


def failure() -> str:
    """The error for which the relay waits; empty if it does not."""
    row = BackOff.objects.filter(queue="bus", owner="bus").first()
    return row.last_error if row else ""
