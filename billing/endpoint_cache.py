"""Where an event came in, remembered by this process for the intake: no query when it is warm.

Rows as they are stored: signing secrets stay encrypted, and the platform's are not in them. What
was remembered is believed for ``LONGEST``, so an endpoint that was closed, or a secret that was
taken away, accepts nothing after that even when no message arrives; a message drops it at once.
"""

import time
from collections.abc import Callable

from billing.models import StripeEndpoint
from common import broadcast

LONGEST = 4.0
"""Seconds: what is promised is five (docs/rules.md, R1)."""
MOST = 1_000
"""Endpoints that are remembered; one more, and all are forgotten."""
TOPIC = "endpoints"
EVERY = "*"


class EndpointCache:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, StripeEndpoint]] = {}

    def find(self, name: str) -> StripeEndpoint | None:
        """The live endpoint that goes by this name, with its account, if that is known."""
        held = self._held.get(name)
        return held[1] if held is not None and self._clock() - held[0] < LONGEST else None

    def begin(self) -> float:
        """To be taken before reading what is to be kept. From then on this process listens."""
        broadcast.is_heard()
        return self._clock()

    def keep(self, name: str, endpoint: StripeEndpoint, *, begun: float) -> None:
        if len(self._held) >= MOST:
            self._held.clear()
        self._held[name] = (begun, endpoint)

    def drop(self, name: str) -> None:
        if name == EVERY:
            self.drop_all()
        self._held.pop(name, None)

    def drop_all(self) -> None:
        self._held.clear()


cache = EndpointCache()
broadcast.register(TOPIC, drop=cache.drop, drop_all=cache.drop_all)


def forget(name: str = EVERY) -> None:
    """An endpoint or its account was changed: no process believes what it remembers of it."""
    broadcast.tell(TOPIC, name)
