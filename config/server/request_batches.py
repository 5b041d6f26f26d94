"""Requests that arrive while others are being committed are committed together after them.

Each write waits for the disk, and a disk needs as long for many as for one. The first request is
executed at once; those that arrive meanwhile share the next transaction. None is answered before
the commit that contains it. If such a transaction fails, it has stored nothing, and each of its
requests is executed alone, so that one that cannot be executed fails alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import structlog
from django.core.signals import request_finished
from django.db import DatabaseError, connection

from common import context, prepared_statements
from common.errors import Unavailable
from common.loop_statements import NotReady
from common.request_threads import Threads
from config.server.loop_execution import LoopExecution

log = structlog.get_logger(__name__)

Request = TypeVar("Request")
BodyOfAnswer = bytes | None
"""None for a request that has to be executed alone: the batch has changed nothing for it."""
Execute = Callable[[Sequence[Request]], Sequence[BodyOfAnswer]]
MAX_RUNNING = 2
"""Transactions at the same time."""
LONG_SECONDS = 0.005
"""After which another transaction may begin beside one: it probably waits for a lock or the disk.
Before that, waiting for it makes the next one larger, and a large one costs less per request."""
MAX_BATCH = 64
MAX_WAITING = 1000
"""Requests that wait to be executed; a further one is refused."""


class _Waiting(NamedTuple, Generic[Request]):
    request: Request
    answer: "asyncio.Future[BodyOfAnswer]"


class RequestBatches(Generic[Request]):
    """All methods run in the event loop; ``execute`` runs in a thread, in one transaction.

    The owners of requests (``owner``: an id) take turns in each batch. ``by_loop`` executes batches
    in the event loop, one at a time and while it is ready.
    """

    def __init__(
        self,
        threads: Threads,
        execute: Execute[Request],
        *,
        owner: Callable[[Request], str],
        lane: str,
        by_loop: LoopExecution[Request] | None = None,
    ) -> None:
        self._threads = threads
        self._execute = execute
        self._owner = owner
        self._lane = lane
        self._by_loop = by_loop
        self._waiting: dict[str, deque[_Waiting[Request]]] = {}
        """By owner; the owner whose turn it is comes first."""
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._began_at = 0.0
        """When the newest transaction began."""
        self._is_looking = False

    async def answer(self, request: Request) -> BodyOfAnswer:
        """Return the body of the answer once the request is committed; None if it has to be
        executed alone.

        Raises Unavailable if too many requests wait, and the database's error if nobody can know
        whether the request is committed.
        """
        if self._count >= MAX_WAITING:
            raise Unavailable("Too many requests wait. Send the request again.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop.create_future())
        self._waiting.setdefault(self._owner(request), deque()).append(waiting)
        self._count += 1
        if not self._running:
            self._begin(loop)
        elif not self._is_looking:
            self._begin_beside(loop)
        return await waiting.answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._running, self._began_at = self._running + 1, loop.time()
        task = loop.create_task(self._run(loop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin_beside(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin another transaction for those that wait, once the newest one takes long."""
        self._is_looking = False
        if not self._waiting or self._running >= MAX_RUNNING:
            return
        left = self._began_at + LONG_SECONDS - loop.time()
        if left <= 0:
            self._begin(loop)
        else:
            self._is_looking = True
            loop.call_later(left, self._begin_beside, loop)

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Execute batches until no request waits."""
        try:
            while batch := self._take_batch():
                self._began_at = loop.time()
                await self._execute_batch(batch)
        finally:
            self._running -= 1

    async def _execute_batch(self, batch: list[_Waiting[Request]]) -> None:
        try:
            answers = await self._answers([waiting.request for waiting in batch])
        except Exception as error:  # noqa: BLE001  # each caller gets it
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)

    async def _answers(self, requests: Sequence[Request]) -> Sequence[BodyOfAnswer]:
        if self._by_loop is not None:
            try:
                return await self._by_loop.execute(requests)
            except NotReady:
                pass
        job = partial(_call, self._execute, requests)
        answers: Sequence[BodyOfAnswer]
        answers = await self._threads.run(job, lane=self._lane, is_paced=False)
        return answers

    def _take_batch(self) -> list[_Waiting[Request]]:
        batch: list[_Waiting[Request]] = []
        while self._waiting and len(batch) < MAX_BATCH:
            owner = next(iter(self._waiting))
            queue = self._waiting.pop(owner)
            batch.append(queue.popleft())
            if queue:
                self._waiting[owner] = queue
        self._count -= len(batch)
        return batch


def _call(execute: Execute[Request], requests: Sequence[Request]) -> Sequence[BodyOfAnswer]:
    """Execute them. If the database refuses the transaction, each has to be executed alone."""
    context.begin()
    try:
        return execute(requests)
    except DatabaseError as error:
        if prepared_statements.is_outcome_unknown(error):
            raise
        log.info("requests_executed_alone", count=len(requests), error=type(error).__name__)
        return [None] * len(requests)
    finally:
        if connection.connection is not None:
            request_finished.send(sender=RequestBatches)
