"""Cached decisions in this process, in front of Redis.

An entry is used for at most ``MAX_AGE_SECONDS`` and only while this process receives invalidation
messages. A message drops what it names; a lost connection drops everything. A reader that started
before a message cannot put the older entry back: it passes the message number from its start and is
ignored when a later message has arrived. ``tests/models/test_cache_model.py`` checks every
interleaving.
"""

import time
from collections.abc import Callable
from itertools import count

from common import invalidation
from entitlements.cache.codec import CacheEntry

MAX_AGE_SECONDS = 1.0
"""Bound on the age of an entry whose invalidation message was lost."""
MAX_STORED = 10_000
"""Entries of one generation. A generation ends when it is full or :data:`MAX_AGE_SECONDS` old, and
is dropped when the next one ends: users that nobody asks for again would stay."""
MAX_PROJECTS = 20_000
"""Projects with a version of their rules; at the next one all versions are dropped."""


Entries = dict[str, dict[str, tuple[float, CacheEntry]]]
"""By cache key and feature: when the read of the entry began, and the entry."""


class LocalCache:
    """Entries by cache key and feature, and the version of each project's rules."""

    def __init__(
        self, *, is_listening: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._messages = count()
        self.heard = next(self._messages)
        """Another number after every message, whatever that is about."""
        self._is_listening = is_listening
        self._clock = clock
        self._young: Entries = {}
        self._old: Entries = {}
        """Entries of the generation before. A thread that drops one looks at the young ones first:
        they may become the old ones meanwhile, and never the other way round."""
        self._stored = 0
        self._begun_at = clock()
        self._rules: dict[str, tuple[float, int]] = {}

    def find(self, key: str, feature: str) -> CacheEntry | None:
        for entries in (self._young, self._old):
            read_at, entry = entries.get(key, _NO_ENTRIES).get(feature, _NO_ENTRY)
            if entry is not None:
                return entry if self._clock() - read_at < MAX_AGE_SECONDS else None
        return None

    def rules(self, project_id: str) -> int | None:
        """The version of the project's rules, at most ``MAX_AGE_SECONDS`` old."""
        read_at, version = self._rules.get(project_id, _NO_RULES)
        return version if self._clock() - read_at < MAX_AGE_SECONDS else None

    def begin_read(self) -> tuple[int, float]:
        """The read token: call it before reading what :meth:`keep` will store."""
        return self.heard, self._clock()

    def keep(self, key: str, feature: str, entry: CacheEntry, *, begun: tuple[int, float]) -> None:
        """Store an entry, unless a message has arrived since the read began."""
        heard, read_at = begun
        if not self._is_listening():
            return
        if self._stored >= MAX_STORED or self._clock() - self._begun_at >= MAX_AGE_SECONDS:
            self._begin_generation()
        self._stored += 1
        self._young.setdefault(key, {})[feature] = (read_at, entry)
        if heard != self.heard:  # stored first, and taken back: so no message falls in between
            self._drop(key)

    def keep_rules(self, project_id: str, version: int, *, begun: tuple[int, float]) -> None:
        heard, read_at = begun
        if not self._is_listening():
            return
        if len(self._rules) >= MAX_PROJECTS:
            self._rules.clear()
        self._rules[project_id] = (read_at, version)
        if heard != self.heard:
            self._rules.pop(project_id, None)

    def drop(self, key: str) -> None:
        """Drop the entries of one customer."""
        self.heard = next(self._messages)
        self._drop(key)

    def drop_project(self, project_id: str) -> None:
        """Drop all entries: changes for a whole project are rare."""
        self.drop_all()

    def drop_all(self) -> None:
        self.heard = next(self._messages)
        self._young.clear()
        self._old.clear()
        self._rules.clear()

    def _drop(self, key: str) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def _begin_generation(self) -> None:
        self._begun_at, self._stored = self._clock(), 0
        self._old, self._young = self._young, {}


_NO_ENTRIES: dict[str, tuple[float, CacheEntry]] = {}
_NO_ENTRY: tuple[float, CacheEntry | None] = (float("-inf"), None)
_NO_RULES = (float("-inf"), 0)

TOPIC, RULES_TOPIC = "entitlements", "rules"
local_cache = LocalCache(is_listening=invalidation.is_listening)
invalidation.register(TOPIC, drop=local_cache.drop, drop_all=local_cache.drop_all)
invalidation.register(RULES_TOPIC, drop=local_cache.drop_project, drop_all=local_cache.drop_all)
