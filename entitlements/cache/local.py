"""Copies of kept decisions in this process, in front of Redis: for what was just read.

A copy is shown for at most ``LONGEST`` and only while this process hears what the others change; a
message drops what it names, a broken connection drops everything. A slow reader cannot put back
what a message took away: it says what was heard last when it began, and is not believed if more
has been heard since. ``tests/models/test_cache_model.py`` walks through every interleaving.
"""

import time
from collections.abc import Callable
from itertools import count

from common import broadcast
from entitlements.cache.codec import Entry

LONGEST = 1.0
"""Seconds for which a copy is shown when the message that should drop it got lost."""
MOST = 20_000
"""Customers of whom there are copies; one more, and all of them go."""


class Copies:
    """Entries by where they are kept and the feature that they are about."""

    def __init__(
        self, *, is_heard: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._messages = count()
        self.heard = next(self._messages)
        """Another number after every message, whatever that is about."""
        self._is_heard = is_heard
        self._clock = clock
        self._held: dict[str, dict[str, tuple[float, Entry]]] = {}
        self._rules: dict[str, tuple[float, int]] = {}

    def find(self, key: str, feature: str) -> Entry | None:
        held = self._held.get(key)
        if held is None:
            return None
        read_at, entry = held.get(feature, _NOTHING)
        return entry if self._clock() - read_at < LONGEST else None

    def rules(self, project_id: str) -> int | None:
        """The version of the project's rules, as it was a moment ago."""
        read_at, version = self._rules.get(project_id, _NEVER)
        return version if self._clock() - read_at < LONGEST else None

    def begin(self) -> tuple[int, float]:
        """To be taken before reading what is to be kept."""
        return self.heard, self._clock()

    def keep(self, key: str, feature: str, entry: Entry, *, begun: tuple[int, float]) -> None:
        """Show this for a moment, unless something has changed since the reader began."""
        heard, read_at = begun
        if not self._is_heard():
            return
        if len(self._held) >= MOST:
            self._held.clear()
        self._held.setdefault(key, {})[feature] = (read_at, entry)
        if heard != self.heard:  # stored first, and taken back: so no message falls in between
            self._held.pop(key, None)

    def keep_rules(self, project_id: str, version: int, *, begun: tuple[int, float]) -> None:
        heard, read_at = begun
        if not self._is_heard():
            return
        if len(self._rules) >= MOST:
            self._rules.clear()
        self._rules[project_id] = (read_at, version)
        if heard != self.heard:
            self._rules.pop(project_id, None)

    def drop(self, key: str) -> None:
        """Something has changed about whoever this is."""
        self.heard = next(self._messages)
        self._held.pop(key, None)

    def drop_project(self, project_id: str) -> None:
        """Something has changed that holds for everybody in a project: that is rare, so all go."""
        self.drop_all()

    def drop_all(self) -> None:
        self.heard = next(self._messages)
        self._held.clear()
        self._rules.clear()


_NOTHING: tuple[float, Entry | None] = (float("-inf"), None)
_NEVER = (float("-inf"), 0)

TOPIC, RULES_TOPIC = "entitlements", "rules"
copies = Copies(is_heard=broadcast.is_heard)
broadcast.register(TOPIC, drop=copies.drop, drop_all=copies.drop_all)
broadcast.register(RULES_TOPIC, drop=copies.drop_project, drop_all=copies.drop_all)
