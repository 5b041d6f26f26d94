"""Threads that execute requests, and the return of results to the event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from common.frames import call_with_room

Job = Callable[[], Any]


class Threads:
    """A fixed number of threads that take jobs in order.

    Waking the event loop is a system call, so one wake-up serves all jobs that have ended by then.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: SimpleQueue[tuple[Job, asyncio.Future[Any]] | None] = SimpleQueue()
        self._ended: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._threads: list[threading.Thread] = []
        self._is_awake = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._threads = [
            threading.Thread(
                target=call_with_room, args=(self._work,), name=f"request-{number}", daemon=True
            )
            for number in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every thread end after the jobs that are queued."""
        for _ in self._threads:
            self._jobs.put(None)

    async def run(self, job: Job) -> Any:
        """Run ``job`` in a thread; return its result or raise its exception."""
        future = self._loop.create_future()
        self._jobs.put((job, future))
        return await future

    def _work(self) -> None:
        while (queued := self._jobs.get()) is not None:
            job, future = queued
            try:
                result, error = job(), None
            except BaseException as raised:  # noqa: BLE001  # the waiting coroutine gets it
                result, error = None, raised
            self._ended.append((future, result, error))
            del queued, job, future, result, error
            if not self._is_awake:
                self._is_awake = True
                self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._is_awake = False  # first: jobs that end from now on must wake the loop again
        while self._ended:
            future, result, error = self._ended.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
