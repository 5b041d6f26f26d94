"""No order of readers, writers and failures makes the decision cache return a stale answer.

A reader looks the answer up and, on a miss, reads the database and fills the cache; a writer
commits and then invalidates. Each design is walked through every order in which those steps can
happen, from an empty and from a warm cache. A schedule is *stale* when a look-up, begun after
the invalidation of a newer version or after everything has ended, returns an older one.

Ours runs for real: ``entitlements.cache.service`` with its Lua on a real server, and in front of
it the copies of a process, with the messages that take them away (``TestCopies``).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import pytest

from common.redis import breaker, client
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import service as cache
from entitlements.cache.local import local_cache
from entitlements.resolution.decision import Decision, Question
from entitlements.resolution.facts import Reason
from projects.models import Customer
from tests.models.cache_process import AGES, START, orders

TTL = timedelta(seconds=30)


@dataclass
class PlainSet:
    """Set what was read, delete on change."""

    held: tuple[int, datetime] | None = None

    def find(self, at: datetime) -> int | None:
        if self.held is None or at >= self.held[1]:
            return None
        return self.held[0]

    def fill(self, version: int, computed_at: datetime, at: datetime) -> None:
        self.held = (version, at + TTL)

    def invalidate(self, version: int) -> None:
        self.held = None

    def flush(self) -> None:
        self.held = None


class SetIfAbsent(PlainSet):
    """SET NX, delete on change."""

    def fill(self, version: int, computed_at: datetime, at: datetime) -> None:
        self.held = self.held or (version, at + TTL)


class WriteThrough(PlainSet):
    """The writer sets its own version instead of deleting."""

    def invalidate(self, version: int) -> None:
        self.held = (version, START + 9 * AGES)


class NewerOnly(PlainSet):
    """Set only if not older than what is held; delete on change."""

    def fill(self, version: int, computed_at: datetime, at: datetime) -> None:
        if self.held is None or version >= self.held[0]:
            self.held = (version, at + TTL)


@dataclass
class Tombstones(PlainSet):
    """Set only if not older than what is held or buried; a change buries. TTL from the fill."""

    buried: int = 0

    def fill(self, version: int, computed_at: datetime, at: datetime) -> None:
        if version >= max(self.buried, self.held[0] if self.held else 0):
            self.held = (version, at + TTL)

    def invalidate(self, version: int) -> None:
        self.held, self.buried = None, max(self.buried, version)

    def flush(self) -> None:
        self.held, self.buried = None, 0


class LastTombstone(Tombstones):
    """The tombstone of a slow writer replaces that of a faster, newer one."""

    def invalidate(self, version: int) -> None:
        self.held, self.buried = None, version


class Ours:
    """The real cache, with a customer of its own for each schedule."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self.customer = Customer(
            id=f"cus_model{next(self.numbers)}", project_id="prj_model", user_id="model"
        )
        self.customer.user_id = self.customer.pk
        self.question = Question(self.customer.pk, "sso")

    def find(self, at: datetime) -> int | None:
        local_cache.drop_all()  # each look-up is one of a process that has no copies
        bodies = cache.find(project_id="prj_model", questions=[self.question], at=at).ready
        return orjson.loads(bodies[self.question])["version"] if bodies else None

    def fill(self, version: int, computed_at: datetime, at: datetime) -> None:
        decision = Decision(
            feature="sso", allowed=True, reason=Reason.ENTITLED, value=True, version=version
        )
        cache.keep(
            project_id="prj_model",
            static_decisions={self.question: StaticDecision(None, decision)},
            rules=0,
            at=computed_at,
            begun=local_cache.begin_read(),
        )

    def invalidate(self, version: int) -> None:
        cache.invalidate(self.customer, version=version)

    def flush(self) -> None:
        client().delete(cache.key(project_id="prj_model", user_id=self.customer.pk))


@dataclass
class Run:
    """One schedule, as it unfolds."""

    design: PlainSet | Ours
    now: datetime = START
    committed: int = 1
    invalidated: int = 0
    stale: bool = False
    hits: int = 0

    def look_up(self) -> int | None:
        version = self.design.find(self.now)
        if version is not None:
            self.hits += 1
            self.stale |= version < self.invalidated
        return version

    def reader(self) -> Iterator[None]:
        looked_at = self.now
        if self.look_up() is None:
            yield
            version, computed_at = self.committed, looked_at
            yield
            self.design.fill(version, computed_at, self.now)
        yield

    def writer(self) -> Iterator[None]:
        self.committed += 1
        mine = self.committed
        yield
        self.design.invalidate(mine)
        self.invalidated = max(self.invalidated, mine)
        yield

    def flush(self) -> Iterator[None]:
        self.design.flush()
        yield

    def ages(self) -> Iterator[None]:
        """So much time passes that whatever is stored has expired."""
        self.now += AGES
        self.design.flush()
        yield


Actor = Callable[[Run], Iterator[None]]
READER, WRITER, FLUSH, AGE = Run.reader, Run.writer, Run.flush, Run.ages
STEPS: dict[Actor, int] = {READER: 3, WRITER: 2, FLUSH: 1, AGE: 1}


def runs(design: type, actors: Sequence[Actor]) -> Iterator[Run]:
    """Each schedule from an empty and from a warm cache, played to its end."""
    for order in orders(tuple(STEPS[actor] for actor in actors)):
        for is_warm in (False, True):
            run = Run(design())
            if is_warm:
                run.design.fill(1, START, START)
            playing = [actor(run) for actor in actors]
            for index in order:
                next(playing[index], None)
            yield run


def count(design: type, actors: Sequence[Actor]) -> tuple[int, int, int]:
    """(schedules, stale ones, stale ones whose old answer outlives the promised 30 s)."""
    total = stale = outliving = 0
    for run in runs(design, actors):
        total += 1
        run.look_up()
        stale += run.stale
        late = run.design.find(run.now + TTL)
        outliving += late is not None and late < run.committed
    return total, stale, outliving


@pytest.fixture(autouse=True)
def redis_is_there():
    breaker.close()
    yield
    assert not breaker.is_open


@pytest.mark.parametrize(
    "actors",
    [
        pytest.param([READER, WRITER], id="a reader and a writer"),
        pytest.param([READER, READER, WRITER], id="two readers and a writer"),
        pytest.param([READER, WRITER, WRITER], id="a reader and two writers"),
        pytest.param([READER, WRITER, AGE], id="a reader that sleeps for ages"),
        pytest.param([READER, WRITER, WRITER, AGE], id="ages, and two writers"),
    ],
)
def test_our_cache_is_never_stale(actors):
    total, stale, outliving = count(Ours, actors)
    assert total >= 20
    assert (stale, outliving) == (0, 0)


@pytest.mark.parametrize("actors", [[READER, WRITER, FLUSH], [READER, READER, WRITER, FLUSH]])
def test_ours_may_forget_a_tombstone_when_redis_is_flushed_but_not_for_long(actors):
    total, stale, outliving = count(Ours, actors)
    assert 0 < stale < total / 20
    assert outliving == 0


def test_ours_serves_from_the_cache_whenever_nothing_stands_against_it():
    assert all(run.hits for run in runs(Ours, [READER]) if run.look_up())
    served = [run.hits for run in runs(Ours, [READER, READER])]
    assert sum(hits > 0 for hits in served) > len(served) / 2


@pytest.mark.parametrize(
    ("design", "actors"),
    [
        (PlainSet, [READER, WRITER]),
        (SetIfAbsent, [READER, WRITER]),
        (NewerOnly, [READER, WRITER]),
        (WriteThrough, [READER, WRITER]),
        (LastTombstone, [READER, WRITER, WRITER]),
        (Tombstones, [READER, WRITER, AGE]),
    ],
)
def test_plausible_other_designs_are_stale(design, actors):
    total, stale, _ = count(design, actors)
    assert 0 < stale < total


def test_tombstones_alone_are_right_while_nobody_sleeps():
    for actors in ([READER, READER, WRITER], [READER, WRITER, WRITER]):
        assert count(Tombstones, actors)[1:] == (0, 0)
