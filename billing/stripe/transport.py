"""Network transport to Stripe, with a limit of threads that wait for it at once.

When Stripe hangs, each thread that sends it a request is blocked. The process must go on answering
requests that need no Stripe, so at the limit further requests fail at once with "retry later".
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from stripe import APIConnectionError, RequestsClient

from common import context

SLOW = 1.0
"""Seconds; while a request takes longer than this, other requests do not wait for a slot."""
PATIENCE = 0.25
"""Longest wait for a slot, in seconds, while Stripe answers as usual."""
LEAST_TIMEOUT = 0.01
"""Seconds; 0 is none that a socket accepts."""
LAST_TRY = 3.0
"""Seconds; a request that failed after longer than this is not retried by the SDK."""


class ConcurrencyLimitReached(Exception):
    """The highest allowed number of requests already waits for Stripe."""


class ConcurrencyLimit:
    """Allows ``count`` requests at once."""

    def __init__(self, count: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._taken: dict[object, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one slot. Raises ConcurrencyLimitReached."""
        ticket = object()
        with self._changed:
            self._changed.wait_for(lambda: self._is_free() or self._is_slow(), PATIENCE)
            if not self._is_free():
                raise ConcurrencyLimitReached
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


class DeadlineSessions:
    """A connection pool per thread, for requests that wait no longer than the caller does."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def request(
        self, method: str, url: str, *, timeout: tuple[float, float], **options: Any
    ) -> requests.Response:
        """``timeout``: seconds to connect, and to answer, without a caller's deadline."""
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = requests.Session()
        seconds_left = context.seconds_left()
        if seconds_left is not None:
            longest = max(seconds_left, LEAST_TIMEOUT)
            timeout = (min(timeout[0], longest), min(timeout[1], longest))
        return session.request(method, url, timeout=timeout, **options)


class Transport(RequestsClient):
    """The SDK's own client with a concurrency limit and deadlines."""

    def __init__(self, *, timeout: tuple[float, float], max_concurrent: int) -> None:
        sessions: Any = DeadlineSessions()  # it has what the client uses of a requests.Session
        super().__init__(timeout=timeout, session=sessions)
        self._limit = ConcurrencyLimit(max_concurrent)

    def request(  # type: ignore[override]  # as RequestsClient has it, unlike its base
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Raises APIConnectionError."""
        if context.seconds_left() == 0:
            raise APIConnectionError(  # type: ignore[no-untyped-call]  # the SDK's
                "The caller's deadline is over: nothing was sent.", should_retry=False
            )
        started = time.monotonic()
        try:
            with self._limit.slot():
                return super().request(method, url, headers, post_data)
        except ConcurrencyLimitReached as limit_reached:
            raise APIConnectionError(  # type: ignore[no-untyped-call]  # the SDK's
                "Too many requests are waiting for Stripe.", should_retry=False
            ) from limit_reached
        except APIConnectionError as error:
            if time.monotonic() - started > LAST_TRY or context.seconds_left() == 0:
                error.should_retry = False
            raise
