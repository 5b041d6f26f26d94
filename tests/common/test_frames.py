"""With room, a call costs the same at every depth: no memory comes and goes with it."""

import asyncio
import resource

import pytest
from celery import Celery
from django.db import connection

from common.frames import call_with_room
from common.request_threads import Threads
from config.chores import Chore
from tests.threads import run_in_a_loop, run_in_a_thread

DEPTHS = 300
CALLS = 200


def test_arguments_result_and_exceptions_pass_through() -> None:
    assert call_with_room(sorted, [2, 1], reverse=True) == [2, 1]
    with pytest.raises(ValueError, match="invalid literal"):
        call_with_room(int, "x")


def test_no_depth_of_a_thread_with_room_asks_for_memory() -> None:
    assert run_in_a_thread(lambda: call_with_room(most_page_faults)) < CALLS / 2


def test_a_request_has_room() -> None:
    assert run_in_a_loop(measure_in_a_request_thread) < CALLS / 2


@pytest.mark.django_db(transaction=True)
def test_a_task_has_room() -> None:
    """Whether operators have paused it is looked up first."""
    task = Celery(set_as_current=False, task_cls=Chore).task(most_page_faults)

    def run() -> int:
        try:
            return int(task())
        finally:
            connection.close()

    assert run_in_a_thread(run) < CALLS / 2


async def measure_in_a_request_thread() -> int:
    threads = Threads(1)
    threads.start(asyncio.get_running_loop())
    try:
        return int(await threads.run(most_page_faults))
    finally:
        threads.stop()


def most_page_faults() -> int:
    """The page faults of the worst depth, of those that a request reaches."""
    return max(page_faults(depth) for depth in range(DEPTHS))


def page_faults(depth: int) -> int:
    if depth:
        return page_faults(depth - 1)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        call()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def call() -> None:
    nothing()


def nothing() -> None:
    pass
