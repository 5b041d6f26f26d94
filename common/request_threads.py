"""Threads that execute requests, and the return of results to the event loop.

Requests wait in lanes, one for each project. A lane gets another thread while it has fewer than are
free (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6, 1998), and the
lanes take turns. So one project's requests never occupy all threads, however many and however slow
they are: the first request of another project finds a free thread, or is the next to get one. A
lane that computes without a pause waits beside quiet ones (:mod:`common.cpu_shares`).
"""

import asyncio
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from common.cpu_shares import CpuShares
from common.frames import call_with_room

Job = Callable[[], Any]
USUAL_SWITCH_SECONDS = sys.getswitchinterval()
SHARED_SWITCH_SECONDS = 0.001
"""After which a thread that computes lets another one use the interpreter, while several execute
requests, or one does while a quiet lane is beside a loud one. With Python's 5 ms the event loop,
and each request after each of its queries, would wait for so long per computing thread. Otherwise
nothing has to be shared, and the event loop is not interrupted for nothing."""


class _Task(NamedTuple):
    """A job, whose result is for the future."""

    lane: str
    job: Job
    future: "asyncio.Future[Any]"
    is_paced: bool


class _Ended(NamedTuple):
    """A task, what came of it, and the CPU seconds that it took."""

    task: _Task
    result: Any
    error: BaseException | None
    seconds: float


class Threads:
    """A fixed number of threads that take jobs in fair order. From ``shared_from`` running jobs on
    they have short turns (``SHARED_SWITCH_SECONDS``); 1 is for an event loop that itself computes.

    Waking the event loop is a system call, so one wake-up serves all jobs that have ended by then.
    All methods but the threads' own run in the event loop.
    """

    def __init__(self, count: int, *, shared_from: int = 2) -> None:
        self._count = self._free = count
        self._shared_from = shared_from
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Task]] = {}
        """Tasks by lane; the lane whose turn it is comes first."""
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._ended: deque[_Ended] = deque()
        self._shares = CpuShares()
        self._next_look: tuple[float, asyncio.Handle] | None = None
        """When lanes that wait for their share are looked at again, and what does it. What is due
        within the millisecond by which uvloop counts has no time of its own there."""
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
        """Let every thread end after the jobs that it has been given."""
        if self._next_look is not None:
            self._next_look[1].cancel()
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the threads to end, after :meth:`stop`."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    @property
    def running_count(self) -> int:
        """Number of jobs that have a thread."""
        return self._count - self._free

    def note(self, lane: str) -> None:
        """A request of the lane is answered without a thread, and should be soon."""
        now = self._loop.time()
        if self._shares.is_any_loud(at=now):
            self._shares.note(lane, at=now)

    async def run(self, job: Job, *, lane: str = "", is_paced: bool = True) -> Any:
        """Run ``job`` in a thread; return its result or raise its exception.

        Jobs that are not a caller's own, or that several share, are not paced.
        """
        task = _Task(lane, job, self._loop.create_future(), is_paced and lane != "")
        if task.is_paced:
            self._shares.note(lane, at=self._loop.time())
        if lane not in self._waiting and self._may_start(task):
            self._start(task)
        else:
            self._waiting.setdefault(lane, deque()).append(task)
        return await task.future

    def _start(self, task: _Task) -> None:
        self._free -= 1
        self._running[task.lane] += 1
        self._choose_turns()
        self._tasks.put(task)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            started = time.thread_time()
            try:
                result, error = task.job(), None
            except BaseException as raised:  # noqa: BLE001  # the waiting coroutine gets it
                result, error = None, raised
            self._ended.append(_Ended(task, result, error, time.thread_time() - started))
            del task, result, error
            if not self._is_awake:
                self._is_awake = True
                self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._is_awake = False  # first: jobs that end from now on must wake the loop again
        while self._ended:
            task, result, error, seconds = self._ended.popleft()
            self._leave(task.lane)
            if task.is_paced:
                self._shares.charge(task.lane, seconds, at=self._loop.time())
            if task.future.done():
                continue
            if error is None:
                task.future.set_result(result)
            else:
                task.future.set_exception(error)
        if self._waiting:
            self._start_waiting()

    def _leave(self, lane: str) -> None:
        self._free += 1
        self._choose_turns()
        self._running[lane] -= 1
        if not self._running[lane]:
            del self._running[lane]

    def _choose_turns(self) -> None:
        """Let threads have shorter turns while others wait for the interpreter."""
        count = self.running_count
        if count <= 2:
            now = self._loop.time()
            is_shared = count >= self._shared_from or self._shares.is_any_beside_a_loud_one(at=now)
            sys.setswitchinterval(SHARED_SWITCH_SECONDS if is_shared else USUAL_SWITCH_SECONDS)

    def _start_waiting(self) -> None:
        """Start tasks, one of each lane in turn, until no lane may have another thread."""
        passed = 0
        while self._free and passed < len(self._waiting):
            lane = next(iter(self._waiting))
            tasks = self._waiting.pop(lane)
            if self._may_start(tasks[0]):
                self._start(tasks.popleft())
                passed = 0
            else:
                passed += 1
            if tasks:
                self._waiting[lane] = tasks

    def _may_start(self, task: _Task) -> bool:
        lane, now = task.lane, self._loop.time()
        if self._running[lane] >= self._free:
            return False
        if not task.is_paced:
            return True
        wait = self._shares.wait(lane, at=now, running=self._running[lane])
        if wait:
            self._look_again(now + wait)
        return not wait

    def _look_again(self, at: float) -> None:
        if self._next_look is not None:
            planned, handle = self._next_look
            if planned <= at:
                return
            handle.cancel()
        self._next_look = at, self._loop.call_at(at, self._end_wait)

    def _end_wait(self) -> None:
        self._next_look = None
        self._start_waiting()
