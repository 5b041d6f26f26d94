"""A thread of its own for a test: pytest's has room for frames, and a loop after a browser test."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import uvloop

Result = TypeVar("Result")


def run_in_a_thread(function: Callable[[], Result]) -> Result:
    """Call ``function`` in a new thread, and return or raise what it does."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(function).result()


def run_in_a_loop(coroutine: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Await ``coroutine()`` in an event loop of a new thread. It is uvloop's, as the web server's
    is: its handles and its clock are not asyncio's."""

    def run() -> Result:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(coroutine())

    return run_in_a_thread(run)


def compute(seconds: float) -> None:
    """Use so much CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
