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
from common.request_threads import Threads

log = structlog.get_logger(__name__)

Request = TypeVar("Request")
BodyOfAnswer = bytes | None
"""None for a request that has to be executed alone: the batch has changed nothing for it."""
Execute = Callable[[Sequence[Request]], Sequence[BodyOfAnswer]]
MAX_RUNNING = 2
"""Transactions at the same time: one may wait for a lock or the disk."""
MAX_BATCH = 64
MAX_WAITING = 1000
"""Requests that wait to be executed; a further one is refused."""


class _Waiting(NamedTuple, Generic[Request]):
    request: Request
    answer: "asyncio.Future[BodyOfAnswer]"


class RequestBatches(Generic[Request]):
    """All methods run in the event loop; ``execute`` runs in a thread, in one transaction.

    The owners of requests (``owner``: an id) take turns in each batch.
    """

    def __init__(
        self,
        threads: Threads,
        execute: Execute[Request],
        *,
        owner: Callable[[Request], str],
        lane: str,
    ) -> None:
        self._threads = threads
        self._execute = execute
        self._owner = owner
        self._lane = lane
        self._waiting: dict[str, deque[_Waiting[Request]]] = {}
        """By owner; the owner whose turn it is comes first."""
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

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
        if len(self._tasks) < MAX_RUNNING:
            task = loop.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def _run(self) -> None:
        """Execute batches until no request waits."""
        while batch := self._take_batch():
            requests = [waiting.request for waiting in batch]
            job = partial(_call, self._execute, requests)
            try:
                answers = await self._threads.run(job, lane=self._lane, is_paced=False)
            except Exception as error:  # noqa: BLE001  # each caller gets it
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)
            else:
                for waiting, answer in zip(batch, answers, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(answer)

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
