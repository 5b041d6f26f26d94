"""A process with a local cache, and schedules of its steps, for models of the decision cache."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from entitlements.cache.codec import CacheEntry
from entitlements.cache.local import MAX_AGE_SECONDS, LocalCache

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGES = timedelta(seconds=61)
"""Longer than a tombstone lives."""


def orders(remaining: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order in which actors with so many steps each can take turns."""
    if not any(remaining):
        yield ()
    for index, left in enumerate(remaining):
        if left:
            rest = (*remaining[:index], left - 1, *remaining[index + 1 :])
            for tail in orders(rest):
                yield (index, *tail)


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
        self.copies = LocalCache(is_listening=lambda: self.is_heard, clock=lambda: self.now)
        self.changed_at = [0.0, 0.0]

    def show(self, version: int) -> None:
        """Record the shown value, the right one, and how long ago the shown one was right."""
        late = 0.0 if version >= self.stored else self.now - self.changed_at[version + 1]
        self.shown.append((version, self.promised, late))

    def reader(self) -> Iterator[None]:
        copy = self.copies.find("ada", "sso")
        if copy is not None:
            self.show(copy.version)
            return
        read_token = self.copies.begin_read()
        yield
        read = self.stored
        yield
        if self.careless:
            read_token = (self.copies.heard, self.now)
        self.copies.keep("ada", "sso", entry(read), begun=read_token)
        yield

    def writer(self) -> Iterator[None]:
        self.stored += 1
        self.changed_at.append(self.now)
        if self.is_heard:
            self.wire.append("ada")
        yield

    def listener(self) -> Iterator[None]:
        """Receive one message; from then on its change must be visible."""
        if self.wire:
            self.copies.drop(self.wire.pop(0))
        if not self.wire and self.is_heard:
            self.promised = self.stored
        yield

    def loser(self) -> Iterator[None]:
        """Lose messages without a sign of it."""
        self.wire.clear()
        yield

    def breaker(self) -> Iterator[None]:
        """Break the connection; later messages arrive, earlier ones are lost."""
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


def stale(processes: Iterator[Process]) -> tuple[int, float]:
    """How often something was shown that a message had taken away; how late the latest was."""
    shown = [each for process in processes for each in process.shown]
    assert shown
    return sum(version < promised for version, promised, _ in shown), max(
        late for _, _, late in shown
    )
