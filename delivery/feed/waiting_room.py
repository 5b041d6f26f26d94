"""Readers who wait for new events, in an event loop instead of threads: of ``GET /events?wait=30``
in the web server, and of ``WatchChanges`` in the gRPC server.

The view answers first. If its page is empty and the reader may wait, the answer is held back until
the project has a newer event or the time is over; then the view is asked again. So all rules (keys,
filters, cursors) are in the view alone, and a key that was revoked meanwhile gets its 401.

The sequencer broadcasts which projects have new events. One query a second for all projects that
are waited for finds what a lost message would have told.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from random import uniform
from typing import Any, Protocol

import structlog
from django.db import DatabaseError, InterfaceError, connections

from common import invalidation
from common.request_threads import Threads
from delivery.feed.waiting import WaitRequest
from events.log import selectors as event_log
from events.log.sequencer import TOPIC

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the projects that are waited for."""
SPREAD_SECONDS = 0.05
"""Over which the readers of a project are woken, so that they do not ask all at once."""
SHARED_SECONDS = 2.0
"""For which a page is given to readers who were woken together."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """An answer of the view, and what its reader may wait for if its page is empty."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    request: WaitRequest | None


class WaitingLimits(Protocol):
    """How many readers may wait at the same time: in this process, and with one key."""

    @property
    def max_waiting(self) -> int: ...

    @property
    def max_waiting_per_key(self) -> int: ...


class WaitingRoom:
    """Everybody who waits in this process."""

    def __init__(self, limits: WaitingLimits, threads: Threads) -> None:
        self._limits = limits
        self._threads = threads
        self._shared: dict[tuple[str, str], asyncio.Task[ReadPage]] = {}
        self._readers: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._per_key: Counter[str] = Counter()
        self._is_closed = False
        self._looking: asyncio.Task[None] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        invalidation.register(TOPIC, drop=self._hear, drop_all=lambda: None)

    def close(self) -> None:
        """Let everybody go, and nobody in."""
        self._is_closed = True
        for project_id in list(self._readers):
            self._wake(project_id)
        if self._looking is not None:
            self._looking.cancel()

    @property
    def is_closed(self) -> bool:
        """Whether nobody may wait any more."""
        return self._is_closed

    @property
    def count(self) -> int:
        """How many readers wait."""
        return self._per_key.total()

    def has_place(self, request: WaitRequest) -> bool:
        return (
            not self._is_closed
            and self.count < self._limits.max_waiting
            and self._per_key[request.key_id] < self._limits.max_waiting_per_key
        )

    async def wait(self, request: WaitRequest, protocol: Any, *, until: float) -> bool:
        """Wait until the project has a newer event, or until this time of the event loop.

        Returns False if the reader has hung up.
        """
        invalidation.is_listening()  # it starts the listener
        if self._looking is None or self._looking.done():
            self._looking = self._loop.create_task(self._keep_looking())
        news: asyncio.Future[None] = self._loop.create_future()
        gone = asyncio.ensure_future(protocol.client_disconnect())
        self._readers[request.project_id][news] = request.position
        self._per_key[request.key_id] += 1
        try:
            await asyncio.wait(
                (news, gone),
                timeout=until - self._loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            return not gone.done()
        finally:
            gone.cancel()
            self._leave(request, news)

    async def share(
        self, project_id: str, query: str, read: Callable[[], Awaitable[ReadPage]]
    ) -> ReadPage:
        """The page that one of the readers who were woken together has read for all with this
        query."""
        task = self._shared.get((project_id, query))
        if task is None:
            task = asyncio.ensure_future(read())
            self._shared[project_id, query] = task
            self._loop.call_later(SHARED_SECONDS, self._forget, project_id, query, task)
        return await asyncio.shield(task)

    def _forget(self, project_id: str, query: str, task: "asyncio.Task[ReadPage]") -> None:
        if self._shared.get((project_id, query)) is task:
            del self._shared[project_id, query]

    def _leave(self, request: WaitRequest, news: "asyncio.Future[None]") -> None:
        readers = self._readers[request.project_id]
        readers.pop(news, None)
        if not readers:
            del self._readers[request.project_id]
        self._per_key[request.key_id] -= 1
        if not self._per_key[request.key_id]:
            del self._per_key[request.key_id]

    def _hear(self, project_id: str) -> None:
        """Called in the thread that listens to broadcasts, which outlives the room's loop."""
        if not self._is_closed:
            self._loop.call_soon_threadsafe(self._wake, project_id)

    def _wake(self, project_id: str) -> None:
        """Wake the project's readers; pages that were read before are out of date."""
        for shared in [each for each in self._shared if each[0] == project_id]:
            del self._shared[shared]
        for news in self._readers.get(project_id, {}):
            self._loop.call_later(uniform(0, SPREAD_SECONDS), _set, news)  # noqa: S311

    async def _keep_looking(self) -> None:
        """Wake readers whose project has moved on, until nobody waits."""
        while self._readers:
            await asyncio.sleep(LOOK_SECONDS)
            project_ids = list(self._readers)
            try:
                heads = await self._threads.run(partial(_find_heads, project_ids))
            except (DatabaseError, InterfaceError) as error:
                log.warning("event_heads_not_read", error=type(error).__name__)
                continue
            for project_id, head in heads.items():
                if any(position < head for position in self._readers.get(project_id, {}).values()):
                    self._wake(project_id)


def _set(news: "asyncio.Future[None]") -> None:
    if not news.done():
        news.set_result(None)


def _find_heads(project_ids: list[str]) -> dict[str, int]:
    try:
        return event_log.heads(project_ids)
    finally:
        connections.close_all()
