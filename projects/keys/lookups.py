"""One look-up of a key for all requests that come with it in the meantime.

A key leaves a process's cache after seconds. A busy project sends dozens of requests with it until
the database has answered, and each of them would ask it again, in threads that others wait for.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class KeyLookups:
    """The look-ups that run now. For one event loop."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[None]] = {}
        """By key, in memory while the look-up runs."""

    async def wait(self, key: str) -> bool:
        """Wait until another request's look-up of this key has ended; False if none runs, and for
        an empty key, which stands for what no process caches."""
        running = self._running.get(key) if key else None
        if running is None:
            return False
        await asyncio.wait([running])
        return True

    @contextmanager
    def running(self, key: str) -> Iterator[None]:
        """Look the key up inside; who comes with it may wait."""
        ended = asyncio.get_running_loop().create_future()
        self._running[key] = ended
        try:
            yield
        finally:
            ended.set_result(None)
            if self._running.get(key) is ended:
                del self._running[key]
