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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from common.redis import breaker, client
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import service as cache
from entitlements.cache.codec import CacheEntry
from entitlements.cache.local import MAX_AGE_SECONDS, LocalCache, local_cache
from entitlements.resolution.decision import Decision, Question
from entitlements.resolution.facts import Reason
from projects.models import Customer

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
TTL = timedelta(seconds=30)
AGES = timedelta(seconds=61)
"""Longer than a tombstone lives."""


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
        found = cache.find(project_id="prj_model", questions=[self.question], at=at).ready
        return orjson.loads(found[self.question])["version"] if found else None

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
        found = self.design.find(self.now)
        if found is not None:
            self.hits += 1
            self.stale |= found < self.invalidated
        return found

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


def orders(remaining: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order in which actors with so many steps each can take turns."""
    if not any(remaining):
        yield ()
    for index, left in enumerate(remaining):
        if left:
            rest = (*remaining[:index], left - 1, *remaining[index + 1 :])
            for tail in orders(rest):
                yield (index, *tail)


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


@dataclass
class Process:
    """A process with copies before a shared store, and a wire that may be slow, or lose a message.

    The store holds the newest version from the moment in which the tombstone is written; the
    message is put on the wire by the same act. ``promised`` is the version that everybody who
    hears must show by now.
    """

    careless: bool = False
    now: float = 0.0
    stored: int = 1
    promised: int = 1
    is_heard: bool = True
    wire: list[str] = field(default_factory=list)
    shown: list[tuple[int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.copies = LocalCache(is_heard=lambda: self.is_heard, clock=lambda: self.now)
        self.changed_at = [0.0, 0.0]

    def show(self, version: int) -> None:
        """Note what was shown, what should have been, and how long ago it was right."""
        late = 0.0 if version >= self.stored else self.now - self.changed_at[version + 1]
        self.shown.append((version, self.promised, late))

    def reader(self) -> Iterator[None]:
        copy = self.copies.find("ada", "sso")
        if copy is not None:
            self.show(copy.version)
            return
        begun = self.copies.begin_read()
        yield
        read = self.stored
        yield
        if self.careless:
            begun = (self.copies.heard, self.now)
        self.copies.keep("ada", "sso", entry(read), begun=begun)
        yield

    def writer(self) -> Iterator[None]:
        self.stored += 1
        self.changed_at.append(self.now)
        if self.is_heard:
            self.wire.append("ada")
        yield

    def listener(self) -> Iterator[None]:
        """One message arrives, and from then on what it told of is promised."""
        if self.wire:
            self.copies.drop(self.wire.pop(0))
        if not self.wire and self.is_heard:
            self.promised = self.stored
        yield

    def loser(self) -> Iterator[None]:
        """Messages get lost, and nobody notices."""
        self.wire.clear()
        yield

    def breaker(self) -> Iterator[None]:
        """The connection breaks; later the process hears again, but not what was said before."""
        self.wire.clear()
        self.is_heard = False
        self.copies.drop_all()
        yield
        self.copies.drop_all()
        self.is_heard = True
        self.promised = self.stored
        yield

    def sleeper(self) -> Iterator[None]:
        self.now += MAX_AGE_SECONDS
        yield

    def ends(self) -> None:
        """At last somebody looks."""
        copy = self.copies.find("ada", "sso")
        if copy is not None:
            self.show(copy.version)


def entry(version: int) -> CacheEntry:
    return CacheEntry(
        version=version, rules=0, since=START, until=START + AGES, is_whole=True, body=b"{}"
    )


Step = Callable[[Process], Iterator[None]]
READS, WRITES, HEARS = Process.reader, Process.writer, Process.listener
LOSES, BREAKS, SLEEPS = Process.loser, Process.breaker, Process.sleeper
TURNS: dict[Step, int] = {READS: 3, WRITES: 1, HEARS: 1, LOSES: 1, BREAKS: 2, SLEEPS: 1}


def lives(actors: Sequence[Step], *, careless: bool = False) -> Iterator[Process]:
    """The process after every order in which these can happen, with and without a copy at first."""
    for order in orders(tuple(TURNS[actor] for actor in actors)):
        for is_warm in (False, True):
            process = Process(careless=careless)
            if is_warm:
                process.copies.keep("ada", "sso", entry(1), begun=process.copies.begin_read())
            playing = [actor(process) for actor in actors]
            for index in order:
                next(playing[index], None)
            process.ends()
            yield process


def stale(processes: Iterator[Process]) -> tuple[int, float]:
    """How often something was shown that a message had taken away; how late the latest was."""
    shown = [each for process in processes for each in process.shown]
    assert shown
    return sum(version < promised for version, promised, _ in shown), max(
        late for _, _, late in shown
    )


class TestCopies:
    """In front of Redis: a message takes a copy away for good, and without one it ages."""

    @pytest.mark.parametrize(
        "actors",
        [
            pytest.param([READS, WRITES, HEARS], id="a slow reader and a change"),
            pytest.param([READS, READS, WRITES, HEARS], id="two readers"),
            pytest.param([READS, WRITES, HEARS, WRITES, HEARS], id="two changes"),
            pytest.param([READS, WRITES, BREAKS], id="a connection that breaks"),
            pytest.param([READS, WRITES, BREAKS, HEARS], id="a message after it is back"),
        ],
    )
    def test_what_a_message_took_away_is_not_shown_again(self, actors: list[Step]) -> None:
        assert stale(lives(actors))[0] == 0

    @pytest.mark.parametrize(
        "actors", [[READS, WRITES, LOSES, SLEEPS], [READS, READS, WRITES, LOSES, SLEEPS]]
    )
    def test_without_the_message_it_is_shown_for_less_than_a_second(
        self, actors: list[Step]
    ) -> None:
        assert 0 <= stale(lives(actors))[1] < MAX_AGE_SECONDS <= 1

    def test_nothing_is_kept_while_nobody_is_heard(self) -> None:
        process = Process(is_heard=False)
        for _ in process.reader():
            pass
        assert process.copies.find("ada", "sso") is None

    def test_a_reader_that_does_not_say_when_it_began_is_found_stale(self) -> None:
        assert stale(lives([READS, WRITES, HEARS], careless=True))[0] > 0
