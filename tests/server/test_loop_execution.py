"""The event loop executes batches as long as its connection is good, and threads do otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from common.loop_statements import LoopStatement, NotReady
from common.request_threads import Threads
from config.server.loop_execution import LoopExecution
from tests.server.test_threads import play

pytestmark = pytest.mark.django_db(transaction=True)

QUOTIENT = "SELECT 6 / %(number)s::bigint"
Numbers = LoopExecution[int]


async def _divide(
    numbers: Sequence[int], statement: LoopStatement, wake: Callable[[str], None]
) -> list[bytes | None]:
    rows = await statement.fetch_rows(_parameters(numbers))
    return [str(quotient).encode() for (quotient,) in rows]


def _parameters(numbers: Sequence[int]) -> dict[str, Any]:
    return {"number": numbers[0]}


def play_with(story: Callable[[Numbers], Awaitable[None]]) -> None:
    async def run(threads: Threads) -> None:
        execution = LoopExecution(
            threads, QUOTIENT, _divide, parameters=_parameters, lane="numbers"
        )
        try:
            await story(execution)
        finally:
            await execution.stop()

    play(run)


async def until_ready(execution: Numbers) -> None:
    while True:
        try:
            assert await execution.execute([2]) == [b"3"]
        except NotReady:
            await asyncio.sleep(0.001)
        else:
            return


def test_the_first_request_connects_and_is_left_to_a_thread() -> None:
    async def story(execution: Numbers) -> None:
        with pytest.raises(NotReady):
            await execution.execute([1])
        await until_ready(execution)
        assert await execution.execute([1]) == [b"6"]

    play_with(story)


def test_a_second_batch_at_the_same_time_is_left_to_a_thread() -> None:
    async def story(execution: Numbers) -> None:
        await until_ready(execution)
        first = asyncio.ensure_future(execution.execute([1]))
        await asyncio.sleep(0)
        with pytest.raises(NotReady):
            await execution.execute([2])
        assert await first == [b"6"]

    play_with(story)


def test_after_an_error_each_is_executed_alone_and_the_next_connection_is_new() -> None:
    async def story(execution: Numbers) -> None:
        await until_ready(execution)
        assert await execution.execute([0]) == [None]
        with pytest.raises(NotReady):
            await execution.execute([1])
        await until_ready(execution)

    play_with(story)
