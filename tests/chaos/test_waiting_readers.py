"""Hundreds of readers wait in one process: all hear of each event, and others are served."""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles

import psutil
import pytest

from config.server.files import allow_many_files
from config.server.limits import Limits
from devtools.processes import free_port
from devtools.stack.programs import web
from events.log import sequencer
from projects.models import Project
from tests.chaos.figures import Arrival, compare
from tests.chaos.lengths import READERS
from tests.chaos.waiting_readers import (
    Bystander,
    WaitingReader,
    collect,
    connected,
    now,
    wait_until_idle,
)
from tests.events.log.recording import record
from tests.factories.projects import key_of
from tests.server.web_server import web_server

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5
KEYS = -(-READERS // Limits().max_waiting_per_key)
OTHER_REQUESTS = 10
"""In each round, while all readers wait."""
KIB = 1024


def test_all_readers_of_one_process_hear_of_each_event(
    project: Project, other_project: Project, tmp_path: Path
) -> None:
    """While they wait, as many other requests as there are threads, and more, are answered."""
    allow_many_files()
    port = free_port()
    command = web(port)
    command[command.index("--workers") + 1] = "1"
    keys = [key_of(project) for _ in range(KEYS)]
    bystander = Bystander(port, key_of(other_project))
    ids, seconds = [], []
    with web_server(tmp_path / "web.log", command=command, port=port):
        process = worker_at(port)
        bystander.send(OTHER_REQUESTS)
        wait_until_idle(process)
        before = process.memory_info().rss
        with connected(port, list(islice(cycle(keys), READERS))) as readers:
            for _ in range(ROUNDS):
                for reader in readers:
                    reader.ask()
                wait_until_idle(process)
                memory = process.memory_info().rss - before
                bystander.send(OTHER_REQUESTS)
                committed_at, event_id = now(), record(project)
                sequencer.run()
                ids.append(event_id)
                seconds += collect(readers, since=committed_at)
    publish(readers, ids, note=describe(memory, seconds, bystander))


def worker_at(port: int) -> psutil.Process:
    """The process that answers at the port."""
    (server,) = (
        each
        for each in psutil.Process().children()
        if {"config.serve", str(port)} <= set(each.cmdline())
    )
    (worker,) = server.children()
    return worker


def publish(readers: Sequence[WaitingReader], ids: Sequence[str], *, note: str) -> None:
    numbers = {event_id: number for number, event_id in enumerate(ids, start=1)}
    lanes = {f"reader {number}": reader for number, reader in enumerate(readers)}
    compare(
        [(lane, number) for lane in lanes for number in numbers.values()],
        [
            Arrival(lane, numbers.get(each, 0), each)
            for lane, own in lanes.items()
            for each in own.ids
        ],
        run="readers who wait in one process",
        size=f"{READERS} readers",
        note=note,
    ).publish()


def describe(memory: int, seconds: Sequence[float], bystander: Bystander) -> str:
    return (
        f"commit to answer {percentiles(seconds)}, {memory / KIB / READERS:.0f} KiB each, "
        f"{len(bystander.seconds)} other requests meanwhile {percentiles(bystander.seconds)}"
    )


def percentiles(seconds: Sequence[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1000:.0f} ms p99 {cuts[98] * 1000:.0f} ms"
