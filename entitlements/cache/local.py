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
MAX_STORED = 40_000
"""Entries that are stored, one after the other, until all are dropped: users and features that
nobody asks for again would stay. An entry is used for a second, so that hardly a hit is lost."""
MAX_PROJECTS = 20_000
"""Projects with a version of their rules; at the next one all versions are dropped."""


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
        self._held: dict[str, dict[str, tuple[float, CacheEntry]]] = {}
        self._stored = 0
        self._rules: dict[str, tuple[float, int]] = {}

    def find(self, key: str, feature: str) -> CacheEntry | None:
        held = self._held.get(key)
        if held is None:
            return None
        read_at, entry = held.get(feature, _NO_ENTRY)
        return entry if self._clock() - read_at < MAX_AGE_SECONDS else None

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
        self._stored += 1
        if self._stored > MAX_STORED:
            self._held.clear()
            self._stored = 1
        self._held.setdefault(key, {})[feature] = (read_at, entry)
        if heard != self.heard:  # stored first, and taken back: so no message falls in between
            self._held.pop(key, None)

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
        self._held.pop(key, None)

    def drop_project(self, project_id: str) -> None:
        """Drop all entries: changes for a whole project are rare."""
        self.drop_all()

    def drop_all(self) -> None:
        self.heard = next(self._messages)
        self._held.clear()
        self._rules.clear()


_NO_ENTRY: tuple[float, CacheEntry | None] = (float("-inf"), None)
_NO_RULES = (float("-inf"), 0)

TOPIC, RULES_TOPIC = "entitlements", "rules"
local_cache = LocalCache(is_listening=invalidation.is_listening)
invalidation.register(TOPIC, drop=local_cache.drop, drop_all=local_cache.drop_all)
invalidation.register(RULES_TOPIC, drop=local_cache.drop_project, drop_all=local_cache.drop_all)
