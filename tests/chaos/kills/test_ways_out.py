"""Every process between the log and its readers, and the bus itself, is killed or frozen at any
time, while eight writers commit in any order: each reader gets every event, in the order of its
customer, and repetitions have the same id (SCENARIOS.md G9)."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from common.conf import EgressSettings
from delivery.bus.stream_names import STREAM_OF_ALL
from delivery.conf import BusSettings
from devtools.embedded.valkey import Valkey
from projects.models import Project
from tests.chaos.figures import compare
from tests.chaos.kills.test_webhooks import check_bytes
from tests.chaos.kills.way_out_processes import COMMANDS, SENDER, WayOutProcesses
from tests.chaos.kills.writers import Writers
from tests.chaos.lengths import KILLS
from tests.delivery.bus.effects import effects
from tests.delivery.bus.streams import Streams
from tests.delivery.sender.receivers import Receiver, receiving
from tests.delivery.webhooks.dispatching import endpoint_at, header
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("effect_table"),
]
BUS = "bus"
FAULTS = 2 * KILLS


@pytest.fixture(autouse=True)
def _settings(settings: Any, streams: Streams) -> None:
    settings.EGRESS = EgressSettings(loopback=True)
    settings.BUS = BusSettings(url=streams.server.url())


def test_killed_and_frozen_at_any_time(project: Project, streams: Streams, tmp_path: Path) -> None:
    chosen, faults = random.Random(KILLS), Counter[str]()
    with receiving() as receiver:
        endpoint_at(receiver, project, ordering="customer", rate=500)
        with WayOutProcesses(tmp_path) as processes:
            with Writers(project) as writers:
                for victim in _victims(chosen):
                    time.sleep(chosen.random())
                    faults[_do_harm(chosen, victim, processes, streams.server)] += 1
                    processes.start_ended()
            recorded = set(writers.ids)
            _wait_for_all(recorded, effects)
            _wait_for_all(recorded, lambda: _received(receiver))
            _wait_for_all(recorded, lambda: _entries(streams))
    check_bytes(receiver.requests)
    arrived = {"effects": effects(), "stream": _entries(streams), "webhooks": _received(receiver)}
    note = ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))
    for name, event_ids in arrived.items():
        compare(
            writers.keys,
            [writers.arrival(each) for each in event_ids if each in recorded],
            run=f"everything killed or frozen: {name}",
            size=f"{FAULTS} faults",
            may_repeat=name == "webhooks",
            note=note if name == "webhooks" else "",
        ).publish()


def _wait_for_all(recorded: set[str], arrived: Callable[[], Iterable[str]]) -> None:
    """Wait for as long as further events arrive."""
    while missing := len(recorded - set(arrived())):
        wait_until(
            partial(_has_fewer_missing, recorded, arrived, missing),
            f"{missing} of {len(recorded)} events do not arrive",
        )


def _has_fewer_missing(
    recorded: set[str], arrived: Callable[[], Iterable[str]], before: int
) -> bool:
    return len(recorded - set(arrived())) < before


def _victims(chosen: random.Random) -> Iterator[str]:
    """Each in turn, in random orders."""
    roles = [*COMMANDS, SENDER, BUS]
    left: list[str] = []
    for _ in range(FAULTS):
        left = left or chosen.sample(roles, len(roles))
        yield left.pop()


def _do_harm(chosen: random.Random, victim: str, processes: WayOutProcesses, server: Valkey) -> str:
    """Kill the victim, or freeze it for a moment. Returns what was done."""
    freezes = victim != SENDER and chosen.random() < 0.3
    if victim == BUS:
        _harm_bus(server, freezes=freezes)
    elif freezes:
        with processes.freeze(victim):
            time.sleep(2 * chosen.random())
    else:
        processes.kill(victim)
    return f"{'freezes' if freezes else 'kills'} of {victim}"


def _harm_bus(server: Valkey, *, freezes: bool) -> None:
    """Killed, it loses all that it has: it keeps nothing on disk."""
    seen = Streams(server)
    seen.close()
    if freezes:
        with seen.frozen():
            time.sleep(1)
    else:
        seen.kill()
        server.restart()


def _received(receiver: Receiver) -> list[str]:
    return [header(each, "webhook-id") for each in list(receiver.requests)]


def _entries(streams: Streams) -> list[str]:
    return [event_id for _, event_id in streams.entries(STREAM_OF_ALL)]
