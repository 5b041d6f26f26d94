"""Addresses of host names, by the system's resolver in threads of its own."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

MAX_LOOKUP_THREADS = 128


class NameResolver:
    """Looks up names, each at most once at a time: jobs that wait for the same name share a
    lookup. Results are not kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._threads = ThreadPoolExecutor(MAX_LOOKUP_THREADS, thread_name_prefix="lookup")
        self._lookups: dict[str, asyncio.Future[list[str]]] = {}

    async def resolve(self, host: str) -> list[str]:
        """All addresses of the name; none if there is no such name.

        A lookup goes on when its job is canceled: a thread cannot be interrupted.
        """
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._loop.run_in_executor(self._threads, _look_up, host)
            self._lookups[host] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(host))
        return await asyncio.shield(lookup)


def _look_up(host: str) -> list[str]:
    try:
        results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(result[4][0]) for result in results))
