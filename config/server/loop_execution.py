"""Batches of requests that the event loop executes itself, by one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Generic, TypeVar

import structlog
from django.db import DatabaseError
from psycopg import Error
from psycopg.errors import LockNotAvailable

from common import prepared_statements, queue
from common.loop_statements import LoopStatement, NotReady
from common.request_threads import Threads

log = structlog.get_logger(__name__)

Request = TypeVar("Request")
Wake = Callable[[str], None]
Execute = Callable[[Sequence[Request], LoopStatement, Wake], Awaitable[Sequence[bytes | None]]]
RETRY_SECONDS = 1.0
"""Between two attempts to connect."""


class LoopExecution(Generic[Request]):
    """``parameters`` makes some of the statement's, by which it is prepared.

    The first batches are executed by threads, until a thread has connected; so are those after an
    error, until one has connected again.
    """

    def __init__(
        self,
        threads: Threads,
        statement: str,
        execute: Execute[Request],
        *,
        parameters: Callable[[Sequence[Request]], Mapping[str, Any]],
        lane: str,
    ) -> None:
        self._threads = threads
        self._statement = LoopStatement(statement)
        self._execute = execute
        self._parameters = parameters
        self._lane = lane
        self._opening: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._wakes: set[asyncio.Future[Any]] = set()

    async def execute(self, requests: Sequence[Request]) -> Sequence[bytes | None]:
        """The bodies of the answers; None for each of them if the database refuses the statement,
        so that each has to be executed alone.

        Raises NotReady, and the database's error if nobody can know whether it is committed.
        """
        if not self._statement.is_open:
            self._open_soon(requests)
        if not self._statement.is_free:
            raise NotReady
        try:
            return await self._execute(requests, self._statement, self._wake)
        except DatabaseError as error:
            if prepared_statements.is_outcome_unknown(error):
                raise
            if not isinstance(error.__cause__, LockNotAvailable):
                self._statement.close()  # the next one is prepared anew
            log.info("requests_executed_alone", count=len(requests), error=type(error).__name__)
            return [None] * len(requests)

    async def stop(self) -> None:
        """Close the connection, and let wake-ups end. No request may come any more."""
        self._retry_at = inf
        if unfinished := {*self._wakes, *filter(None, [self._opening])}:
            await asyncio.wait(unfinished)
        self._statement.close()

    def _open_soon(self, requests: Sequence[Request]) -> None:
        loop = asyncio.get_running_loop()
        if self._opening is None and loop.time() >= self._retry_at:
            self._retry_at = loop.time() + RETRY_SECONDS
            self._opening = loop.create_task(self.open(requests))

    async def open(self, requests: Sequence[Request]) -> None:
        """Connect, for batches of such requests."""
        connect = partial(self._statement.open, self._parameters(requests))
        try:
            connection = await self._threads.run(connect, lane=self._lane, is_paced=False)
            if connection is not None:
                self._statement.adopt(connection)
        except Error as error:
            log.info("loop_connection_failed", error=type(error).__name__)
        finally:
            self._opening = None

    def _wake(self, task: str) -> None:
        """Wake the workers of a task from a thread: that asks Redis."""
        if queue.is_due(task):
            job = partial(queue.enqueue, task)
            wake = asyncio.ensure_future(self._threads.run(job, lane=self._lane, is_paced=False))
            self._wakes.add(wake)
            wake.add_done_callback(self._wakes.discard)
