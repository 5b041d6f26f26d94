"""Webhook endpoints by name, cached in this process, so that an intake usually needs no query.

Rows are kept as stored: signing secrets stay encrypted, and those of the platform's account are not
in them. A cached endpoint is used for at most ``LONGEST`` seconds: after that, a closed endpoint or
a removed secret accepts nothing, even if no invalidation message arrives. A message drops the
endpoint at once.
"""

import time
from collections.abc import Callable

from billing.models import StripeEndpoint
from common import invalidation

LONGEST = 4.0
"""Seconds; docs/rules.md, R1 promises five."""
MOST = 1_000
"""Most endpoints in the cache; at the limit all are dropped."""
TOPIC = "endpoints"
ALL = "*"


class EndpointCache:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[float, StripeEndpoint]] = {}

    def find(self, name: str) -> StripeEndpoint | None:
        """The live endpoint of this name with its account; None if it is not cached."""
        entry = self._held.get(name)
        return entry[1] if entry is not None and self._clock() - entry[0] < LONGEST else None

    def begin(self) -> float:
        """Return a time to pass to :meth:`keep`; call it before the endpoint is read.

        From then on this process receives invalidations.
        """
        invalidation.is_listening()
        return self._clock()

    def keep(self, name: str, endpoint: StripeEndpoint, *, read_at: float) -> None:
        """Cache the endpoint, which was read after ``read_at`` (the result of :meth:`begin`)."""
        if len(self._held) >= MOST:
            self._held.clear()
        self._held[name] = (read_at, endpoint)

    def drop(self, name: str) -> None:
        if name == ALL:
            self.drop_all()
        self._held.pop(name, None)

    def drop_all(self) -> None:
        self._held.clear()


cache = EndpointCache()
invalidation.register(TOPIC, drop=cache.drop, drop_all=cache.drop_all)


def forget(name: str = ALL) -> None:
    """Tell all processes to drop a changed endpoint, or all of them."""
    invalidation.invalidate(TOPIC, name)
