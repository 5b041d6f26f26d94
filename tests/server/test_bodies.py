"""Bodies are received within time and memory limits, in a test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from config.server.bodies import BodyIncomplete, BodyQueue, BodyTimeout, BodyTooLong
from config.server.limits import KIB, Limits
from tests.threads import run_in_a_loop

SHORT = Limits(body_seconds=0.01, max_open_bodies=2, max_body_bytes=10)
PATIENT = Limits(max_open_bodies=2, max_body_bytes=10)


class Protocol:
    """What granian hands over: called, the whole body; iterated over, its parts."""

    def __init__(self, *parts: bytes, ends: bool = True, fails: bool = False) -> None:
        self.parts, self.ends, self.fails = parts, ends, fails

    async def __call__(self) -> bytes:
        return b"".join([part async for part in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.fails:
            raise RuntimeError("Connection lost")
        if not self.ends:
            await asyncio.get_running_loop().create_future()


def test_a_whole_body_is_returned() -> None:
    async def story() -> list[bytes]:
        queue = BodyQueue(PATIENT)
        body = await queue.receive(Protocol(b"abc", b"def"), length=6)
        chunked = await queue.receive(Protocol(b"abc", b"def"), length=None)
        assert len(queue) == 0
        return [body, chunked]

    assert run_in_a_loop(story) == [b"abcdef", b"abcdef"]


@pytest.mark.parametrize(
    ("protocol", "length", "error"),
    [
        (Protocol(b"a", ends=False), 6, BodyTimeout),
        (Protocol(b"a", ends=False), None, BodyTimeout),
        (Protocol(b"a", fails=True), 6, BodyIncomplete),
        (Protocol(b"a"), 6, BodyIncomplete),
        (Protocol(b"abcdef", b"ghijkl"), None, BodyTooLong),
    ],
)
def test_an_incomplete_body_is_refused(
    protocol: Protocol, length: int | None, error: type[Exception]
) -> None:
    async def story() -> int:
        queue = BodyQueue(SHORT)
        with pytest.raises(error):
            await queue.receive(protocol, length=length)
        return len(queue)

    assert run_in_a_loop(story) == 0


def test_the_oldest_body_is_dropped_for_a_new_one() -> None:
    async def story() -> list[Any]:
        queue = BodyQueue(PATIENT)
        waiting = [
            asyncio.create_task(queue.receive(Protocol(b"a", ends=False), length=2))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        quick = await queue.receive(Protocol(b"ab"), length=2)
        oldest, other = waiting
        with pytest.raises(BodyTimeout):
            await oldest
        assert not other.done()
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        return [quick, len(queue)]

    assert run_in_a_loop(story) == [b"ab", 0]


def test_the_bytes_of_all_bodies_are_limited() -> None:
    async def story() -> list[bool]:
        queue = BodyQueue(Limits(max_open_body_bytes=100))
        lengths = (40, 40, 90)
        waiting = [
            asyncio.create_task(queue.receive(Protocol(b"a", ends=False), length=length))
            for length in lengths
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        ended = [task.done() for task in waiting]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return ended

    assert run_in_a_loop(story) == [True, True, False]


def test_a_long_body_gets_the_time_of_the_least_rate() -> None:
    limits = Limits(body_seconds=10, min_body_rate=16 * KIB)
    assert limits.seconds_for(0) == 10
    assert limits.seconds_for(1024 * KIB) == 74
