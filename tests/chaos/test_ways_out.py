"""Kill and freeze every process between the log and its readers, and the bus itself, at any time:
each reader gets every event, in the order of its customer, and repetitions have the same id.

``TOLLGATE_KILLS=200`` is a long run, ``TOLLGATE_SEED`` another order of faults.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.conf import EgressSettings
from delivery.conf import BusSettings
from devtools.embedded.valkey import Valkey
from events.models import LoggedEvent
from projects.models import Project
from tests import figures
from tests.chaos.way_out_processes import COMMANDS, SENDER, WayOutProcesses
from tests.delivery.bus.conftest import effect_table, streams, valkey
from tests.delivery.bus.effects import effects
from tests.delivery.bus.streams import Streams, assert_complete
from tests.delivery.sender.receivers import Receiver, receiving
from tests.delivery.webhooks.dispatching import endpoint_at, header
from tests.delivery.webhooks.test_killed import assert_order
from tests.events.log.recording import record
from tests.waiting import wait_until

__all__ = ["effect_table", "streams", "valkey"]

pytestmark = pytest.mark.django_db(transaction=True)
RUN = "kills of every way out"
KILLS = int(os.environ.get("TOLLGATE_KILLS", "8"))
SEED = int(os.environ.get("TOLLGATE_SEED", "1"))
CUSTOMERS, EVENTS = 5, 8
"""Events between two faults."""
BUS = "bus"


@pytest.fixture(autouse=True)
def _settings(settings: Any, streams: Streams) -> None:
    settings.EGRESS = EgressSettings(loopback=True)
    settings.BUS = BusSettings(url=streams.server.url())


def test_killed_and_frozen_anywhere(
    project: Project, streams: Streams, effect_table: None, tmp_path: Path
) -> None:
    chosen, recorded, faults = random.Random(SEED), list[str](), Counter[str]()
    with receiving() as receiver:
        endpoint_at(receiver, project, ordering="customer", rate=500)
        first = len(LoggedEvent.objects.for_project(project))
        with WayOutProcesses(tmp_path) as processes:
            for victim in _victims(chosen):
                for number in range(EVENTS):
                    version = len(recorded) + 1
                    recorded.append(record(project, f"cus_{number % CUSTOMERS}", version))
                time.sleep(chosen.random())
                faults[_do_harm(chosen, victim, processes, streams.server)] += 1
                processes.start_ended()
            wait_until(lambda: set(recorded) <= set(effects()), "the consumers lack events")
            wait_until(lambda: _received(receiver) == set(recorded), "the receiver lacks events")
            wait_until(lambda: _is_complete(streams, project), "the streams lack events")
    assert len(LoggedEvent.objects.for_project(project)) == first + len(recorded)
    _check_effects(recorded)
    assert_order(receiver.requests)
    _report(faults, recorded, receiver)


def _victims(chosen: random.Random) -> Iterator[str]:
    """Each in turn, in random orders."""
    roles = [*COMMANDS, SENDER, BUS]
    left: list[str] = []
    for _ in range(KILLS):
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


def _received(receiver: Receiver) -> set[str]:
    return {header(each, "webhook-id") for each in list(receiver.requests)}


def _is_complete(streams: Streams, project: Project) -> bool:
    try:
        assert_complete(streams, project)
    except AssertionError:
        return False
    return True


def _check_effects(recorded: list[str]) -> None:
    """Each had its effect once, in the order of its customer."""
    seen = [each for each in effects() if each in set(recorded)]
    assert len(seen) == len(set(seen)) == len(recorded)
    for number in range(CUSTOMERS):
        lane = [each for each in effects(f"cus_{number}") if each in set(recorded)]
        own = [
            event_id
            for index, event_id in enumerate(recorded)
            if index % EVENTS % CUSTOMERS == number
        ]
        assert lane == own


def _report(faults: Counter[str], recorded: list[str], receiver: Receiver) -> None:
    for name, count in sorted(faults.items()):
        figures.report(RUN, name, count)
    figures.report(RUN, "events", len(recorded))
    figures.report(RUN, "lost, by consumers, receiver and streams", 0, at_most=0)
    figures.report(RUN, "effects of consumers that happened twice", 0, at_most=0)
    again = len(receiver.requests) - len(_received(receiver))
    figures.report(RUN, "webhooks sent again, with the same id and bytes", again)
