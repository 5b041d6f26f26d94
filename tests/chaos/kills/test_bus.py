"""Relay, consumer and Redis die or stop anywhere: every consumer has the effect of every event
once, in order, and the stream has every event once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from delivery.bus.stream_names import STREAM_OF_ALL
from events.log import sequencer
from projects.models import Project
from tests.chaos.figures import compare
from tests.chaos.kills.processes import Forks, step_of
from tests.chaos.kills.traffic import Traffic
from tests.chaos.lengths import KILLS
from tests.delivery.bus.effects import effects
from tests.delivery.bus.streams import Streams
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("effect_table"),
]
RELAY_STEPS, CONSUMER_STEPS = 1_500, 3_000
"""More than they take for a batch of five events."""
BATCH = 5
FROZEN_SECONDS = (3.0, 0.0, 0.05, 0.2)


class BusRun:
    """One server, a relay, a consumer, and changes."""

    def __init__(self, project: Project, forks: Forks, streams: Streams) -> None:
        self.forks, self.streams = forks, streams
        self.url = streams.server.url()
        self.traffic = Traffic(project)

    def record(self) -> None:
        self.traffic.record(BATCH)
        sequencer.run()

    @contextmanager
    def complete(self, run: str, size: str) -> Iterator[None]:
        """A relay and a consumer work within the block and until everything has arrived."""
        with self.forks.running("relay", self.url), self.forks.running("consumer", self.url):
            yield
            wait_until(lambda: set(self.traffic.ids) <= set(effects()), "The consumer lacks events")
            wait_until(lambda: set(self.traffic.ids) <= set(self.entries()), "The stream does")
        self.publish(run, size)

    def entries(self) -> list[str]:
        """The ids of the events in the stream."""
        return [event_id for _, event_id in self.streams.entries(STREAM_OF_ALL)]

    def publish(self, run: str, size: str) -> None:
        for name, ids in (("consumer's effects", effects()), ("stream", self.entries())):
            arrivals = [self.traffic.arrival(each) for each in ids]
            compare(self.traffic.keys, arrivals, run=f"{run}: {name}", size=size).publish()

    def lose_redis(self) -> None:
        """Kill Redis with all its data, and start it again at the same address."""
        self.streams.kill()
        self.streams.server.restart()


@pytest.fixture
def bus_run(project: Project, forks: Forks, streams: Streams) -> BusRun:
    return BusRun(project, forks, streams)


def test_the_relay_killed_at_every_step(bus_run: BusRun) -> None:
    with bus_run.forks.running("consumer", bus_run.url):
        for kill in range(KILLS):
            bus_run.record()
            bus_run.forks.kill_at("relay", bus_run.url, step=step_of(kill, RELAY_STEPS))
    with bus_run.complete("relay killed", f"{KILLS} kills"):
        pass


def test_the_consumer_killed_at_every_step(bus_run: BusRun) -> None:
    with bus_run.forks.running("relay", bus_run.url):
        for kill in range(KILLS):
            bus_run.record()
            bus_run.forks.kill_at("consumer", bus_run.url, step=step_of(kill, CONSUMER_STEPS))
    with bus_run.complete("consumer killed", f"{KILLS} kills"):
        pass


@pytest.mark.parametrize(("role", "steps"), [("relay", RELAY_STEPS), ("consumer", CONSUMER_STEPS)])
def test_redis_killed_at_every_step_of_a_process(bus_run: BusRun, role: str, steps: int) -> None:
    """Its data are gone; the process goes on where it stood."""
    with bus_run.complete(f"Redis killed at steps of the {role}", f"{KILLS} kills"):
        freeze_each(bus_run, role, steps, bus_run.lose_redis)


@pytest.mark.parametrize(("role", "steps"), [("relay", RELAY_STEPS), ("consumer", CONSUMER_STEPS)])
def test_a_process_frozen_at_every_step_while_another_one_works(
    bus_run: BusRun, role: str, steps: int
) -> None:
    with bus_run.complete(f"{role} frozen, another one works", f"{KILLS} freezes"):
        freeze_each(bus_run, role, steps, bus_run.record)


def test_redis_frozen_while_relay_and_consumer_work(bus_run: BusRun) -> None:
    """Every fourth time for longer than they wait for an answer."""
    with bus_run.complete("Redis frozen", f"{KILLS} freezes"):
        for freeze in range(KILLS):
            with bus_run.streams.frozen():
                bus_run.record()
                time.sleep(FROZEN_SECONDS[freeze % 4])


def freeze_each(bus_run: BusRun, role: str, steps: int, meanwhile: Callable[[], None]) -> None:
    for kill in range(KILLS):
        bus_run.record()
        step = step_of(kill, steps)
        bus_run.forks.freeze_at(role, bus_run.url, step=step, meanwhile=meanwhile)
