"""Credentials cached by this process for the fast path: no query when the cache is warm.

Keyed by digest: no secret is held. A message drops an entry at once; without one,
``MAX_AGE_SECONDS`` bounds how long a revoked key, or a key of a suspended project, is accepted.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from common import invalidation
from projects.keys.credentials import ProjectCredential

MAX_AGE_SECONDS = 4.0
"""Below the promised five seconds (docs/rules.md, R17)."""
MAX_KEYS = 10_000
"""Cached keys; at the next one all are dropped."""
TOPIC = "keys"
ALL_KEYS = "*"


class CachedKey(NamedTuple):
    """A live key as the database had it when it was read."""

    credential: ProjectCredential
    expires_at: datetime | None


class KeyCache:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, CachedKey]] = {}

    def find(self, digest: str, *, at: datetime) -> ProjectCredential | None:
        """The credential with this digest, if it is cached and live."""
        entry = self._held.get(digest)
        if entry is None or self._clock() - entry[0] >= MAX_AGE_SECONDS:
            return None
        credential, expires_at = entry[1]
        return credential if expires_at is None or at < expires_at else None

    def has_accepted(self, digest: str) -> bool:
        """Whether the key was live when it was last read, be it long ago, and is not known to have
        been revoked."""
        return digest in self._held

    def begin(self) -> float:
        """The read time to pass to :meth:`keep`; call it before reading."""
        return self._clock()

    def keep(self, digest: str, key: CachedKey, *, read_at: float) -> None:
        if len(self._held) >= MAX_KEYS:
            self._held.clear()
        self._held[digest] = (read_at, key)

    def note_use(self, digest: str, *, at: datetime) -> None:
        """The key's use was stored: not again within a minute."""
        entry = self._held.get(digest)
        if entry is not None:
            credential = replace(entry[1].credential, last_used_at=at)
            self._held[digest] = (entry[0], entry[1]._replace(credential=credential))

    def drop(self, digest: str) -> None:
        if digest == ALL_KEYS:
            self.drop_all()
        self._held.pop(digest, None)

    def drop_all(self) -> None:
        self._held.clear()


cache = KeyCache()
invalidation.register(TOPIC, drop=cache.drop, drop_all=cache.drop_all)


def invalidate(digest: str = ALL_KEYS) -> None:
    """Drop the key, by default every key, from the caches of all processes."""
    invalidation.invalidate(TOPIC, digest)
