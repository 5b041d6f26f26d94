"""The way to Stripe over the network, on which only so many threads may wait at once.

A Stripe that hangs holds every thread that asks it. The rest of the process must go on answering
what needs no Stripe, so who finds all places taken is told to come back instead of waiting too.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from stripe import APIConnectionError, RequestsClient

SLOW = 1.0
"""Seconds; once a request has taken longer, nobody waits for a place any more."""
PATIENCE = 0.25
"""Seconds that a request waits for a place while Stripe answers as usual."""
LAST_TRY = 3.0
"""Seconds; a request that failed after longer has used up its time: the SDK sends it no more."""


class NoPlace(Exception):
    """As many requests as may be are waiting for Stripe."""


class Places:
    """At most ``count`` requests at once."""

    def __init__(self, count: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._taken: dict[object, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place. Raises NoPlace."""
        ticket = object()
        with self._changed:
            self._changed.wait_for(lambda: self._is_free() or self._is_slow(), PATIENCE)
            if not self._is_free():
                raise NoPlace
            self._taken[ticket] = self._clock()
        try:
            yield
        finally:
            with self._changed:
                del self._taken[ticket]
                self._changed.notify()

    def _is_free(self) -> bool:
        return len(self._taken) < self._count

    def _is_slow(self) -> bool:
        return any(self._clock() - since > SLOW for since in self._taken.values())


class Transport(RequestsClient):
    """The SDK's own client, with places. It keeps one connection pool per thread."""

    def __init__(self, *, timeout: tuple[float, float], places: int) -> None:
        super().__init__(timeout=timeout)
        self._places = Places(places)

    def request(  # type: ignore[override]  # as RequestsClient has it, unlike its base
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Raises APIConnectionError."""
        started = time.monotonic()
        try:
            with self._places.one():
                return super().request(method, url, headers, post_data)
        except NoPlace as full:
            raise APIConnectionError(  # type: ignore[no-untyped-call]  # the SDK's
                "Too many requests are waiting for Stripe.", should_retry=False
            ) from full
        except APIConnectionError as error:
            if time.monotonic() - started > LAST_TRY:
                error.should_retry = False
            raise
