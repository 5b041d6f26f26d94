"""Whose key it is, remembered by this process for the hot paths: no query when it is warm.

Keyed by digest: no secret is held. What was remembered is believed for ``LONGEST``, so a key that
was revoked, or whose project was suspended, opens nothing after that even when no message arrives;
a message drops it at once.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from common import broadcast
from projects.keys.credentials import ProjectCredential

LONGEST = 4.0
"""Seconds: what is promised is five (docs/rules.md, R17)."""
MOST = 10_000
"""Keys that are remembered; one more, and all are forgotten."""
TOPIC = "keys"
EVERY = "*"


class Kept(NamedTuple):
    """A live key as it was in the database a moment ago."""

    credential: ProjectCredential
    expires_at: datetime | None


class KeyCache:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, Kept]] = {}

    def find(self, digest: str, *, at: datetime) -> ProjectCredential | None:
        """Whose key has this digest, if that is known and it is still live."""
        held = self._held.get(digest)
        if held is None or self._clock() - held[0] >= LONGEST:
            return None
        credential, expires_at = held[1]
        return credential if expires_at is None or at < expires_at else None

    def begin(self) -> float:
        """To be taken before reading what is to be kept."""
        return self._clock()

    def keep(self, digest: str, kept: Kept, *, begun: float) -> None:
        if len(self._held) >= MOST:
            self._held.clear()
        self._held[digest] = (begun, kept)

    def note_use(self, digest: str, *, at: datetime) -> None:
        """The key's use was written down: not again before a minute is over."""
        held = self._held.get(digest)
        if held is not None:
            used = replace(held[1].credential, last_used_at=at)
            self._held[digest] = (held[0], held[1]._replace(credential=used))

    def drop(self, digest: str) -> None:
        if digest == EVERY:
            self.drop_all()
        self._held.pop(digest, None)

    def drop_all(self) -> None:
        self._held.clear()


cache = KeyCache()
broadcast.register(TOPIC, drop=cache.drop, drop_all=cache.drop_all)


def forget(digest: str = EVERY) -> None:
    """The key, or who knows which, was changed: no process believes what it remembers of it."""
    broadcast.tell(TOPIC, digest)
