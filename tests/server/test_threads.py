"""Threads of the web server are shared fairly between lanes."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from common.cpu_shares import BURST
from common.request_threads import SHARED_SWITCH_SECONDS, USUAL_SWITCH_SECONDS, Threads
from tests.threads import Result, compute, run_in_a_loop

COUNT = 8


@contextmanager
def threads_on(loop: asyncio.AbstractEventLoop) -> Iterator[Threads]:
    threads = Threads(COUNT)
    threads.start(loop)
    try:
        yield threads
    finally:
        threads.stop()


def play(story: Callable[[Threads], Awaitable[Result]]) -> Result:
    """Run a story with threads in an event loop of its own."""

    async def run() -> Result:
        with threads_on(asyncio.get_running_loop()) as threads:
            return await asyncio.wait_for(story(threads), timeout=60)

    return run_in_a_loop(run)


class SlowJobs:
    """Jobs that last until they are let go, as those that wait for Stripe."""

    def __init__(self, threads: Threads, lane: str, count: int) -> None:
        self.started = threading.Semaphore(0)
        self._gate = threading.Event()
        self.number_started = 0
        self.tasks = [
            asyncio.ensure_future(threads.run(self._run, lane=lane)) for _ in range(count)
        ]

    def _run(self) -> None:
        self.number_started += 1
        self.started.release()
        self._gate.wait()

    def let_go(self) -> None:
        self._gate.set()

    async def end(self) -> None:
        self.let_go()
        await asyncio.gather(*self.tasks)


async def wait_for_start(jobs: SlowJobs, count: int) -> None:
    for _ in range(count):
        await asyncio.get_running_loop().run_in_executor(None, jobs.started.acquire)


def test_a_project_with_slow_requests_leaves_threads_to_others() -> None:
    async def story(threads: Threads) -> None:
        slow = SlowJobs(threads, "a", 100)
        await wait_for_start(slow, COUNT // 2)
        assert await threads.run(lambda: "answer", lane="b") == "answer"
        other = SlowJobs(threads, "b", 100)
        await wait_for_start(other, 2)
        assert await threads.run(lambda: "answer", lane="c") == "answer"
        assert slow.number_started == COUNT // 2
        await asyncio.gather(slow.end(), other.end())
        assert (slow.number_started, other.number_started) == (100, 100)

    play(story)


def test_lanes_take_turns() -> None:
    """Whatever waits in one lane, the first request of another is next."""

    async def story(threads: Threads) -> None:
        done: list[str] = []

        def job(name: str) -> Callable[[], Any]:
            return lambda: done.append(name)

        blockers = [SlowJobs(threads, f"blocker {number}", 1) for number in range(COUNT)]
        for blocker in blockers:
            await wait_for_start(blocker, 1)
        waiting = [asyncio.ensure_future(threads.run(job("a"), lane="a")) for _ in range(50)]
        waiting += [asyncio.ensure_future(threads.run(job("b"), lane="b")) for _ in range(3)]
        await asyncio.sleep(0)
        await blockers[0].end()
        await asyncio.gather(*waiting)
        assert done[:6] == ["a", "b", "a", "b", "a", "b"]
        assert len(done) == 53
        await asyncio.gather(*(blocker.end() for blocker in blockers[1:]))

    play(story)


def test_a_lane_that_computes_waits_beside_a_quiet_one() -> None:
    async def story(threads: Threads) -> None:
        done: list[str] = []
        await threads.run(lambda: compute(0.6), lane="loud")
        await threads.run(lambda: done.append("quiet"), lane="quiet")
        loud = asyncio.ensure_future(threads.run(lambda: done.append("loud"), lane="loud"))
        for _ in range(5):
            await threads.run(lambda: done.append("quiet"), lane="quiet")
        await loud
        assert done == ["quiet"] * 6 + ["loud"]

    play(story)


def test_all_that_wait_for_a_share_get_it_however_short_the_wait() -> None:
    """uvloop's clock counts milliseconds. Jobs of a tenth of one wait for less than that."""

    async def story(threads: Threads) -> None:
        await threads.run(lambda: compute(0.15), lane="loud")
        for _ in range(10):
            await threads.run(lambda: None, lane="quiet")
            jobs = [threads.run(lambda: compute(0.0001), lane="loud") for _ in range(20)]
            await asyncio.gather(*jobs, threads.run(lambda: None, lane="quiet"))

    play(story)


def test_jobs_of_several_callers_do_not_wait() -> None:
    async def story(threads: Threads) -> None:
        await threads.run(lambda: compute(0.6), lane="shared", is_paced=False)
        threads.note("quiet")
        threads.note("other")
        started = asyncio.ensure_future(threads.run(lambda: 1, lane="shared", is_paced=False))
        await asyncio.sleep(0)
        assert threads.running_count == 1
        await started

    play(story)


def test_results_and_errors_reach_the_caller() -> None:
    async def story(threads: Threads) -> None:
        assert await threads.run(lambda: 42) == 42
        try:
            await threads.run(lambda: 1 // 0, lane="a")
        except ZeroDivisionError:
            return
        raise AssertionError("The error did not reach the caller.")

    play(story)


def test_a_caller_who_has_left_holds_no_thread() -> None:
    async def story(threads: Threads) -> None:
        slow = SlowJobs(threads, "a", 20)
        await wait_for_start(slow, COUNT // 2)
        for task in slow.tasks:
            task.cancel()
        await asyncio.gather(*slow.tasks, return_exceptions=True)
        slow.let_go()
        results = await asyncio.gather(*(threads.run(lambda: 1, lane="a") for _ in range(50)))
        assert sum(results) == 50

    play(story)


def test_threads_take_shorter_turns_while_several_execute_requests() -> None:
    async def story(threads: Threads) -> None:
        first, second = SlowJobs(threads, "a", 1), SlowJobs(threads, "b", 1)
        await wait_for_start(first, 1)
        await wait_for_start(second, 1)
        assert sys.getswitchinterval() == SHARED_SWITCH_SECONDS < USUAL_SWITCH_SECONDS
        await first.end()
        assert sys.getswitchinterval() == USUAL_SWITCH_SECONDS
        await second.end()
        assert await threads.run(sys.getswitchinterval) == USUAL_SWITCH_SECONDS

    play(story)


def test_beside_an_event_loop_that_computes_one_thread_takes_shorter_turns() -> None:
    async def story() -> None:
        threads = Threads(1, shared_from=1)
        threads.start(asyncio.get_running_loop())
        try:
            assert await threads.run(sys.getswitchinterval) == SHARED_SWITCH_SECONDS
            assert sys.getswitchinterval() == USUAL_SWITCH_SECONDS
        finally:
            threads.stop()

    run_in_a_loop(story)


def test_a_request_alone_takes_shorter_turns_while_a_quiet_lane_is_beside_a_loud_one() -> None:
    async def story(threads: Threads) -> None:
        await threads.run(partial(compute, BURST * 2), lane="loud")
        assert await threads.run(sys.getswitchinterval, lane="loud") == USUAL_SWITCH_SECONDS
        threads.note("quiet")
        assert await threads.run(sys.getswitchinterval, lane="") == SHARED_SWITCH_SECONDS

    play(story)
