"""Requests that come with one key while it is looked up wait for one look-up."""

import asyncio

from projects.keys.lookups import KeyLookups
from tests.threads import run_in_a_loop


def test_others_wait_until_the_look_up_has_ended() -> None:
    async def story() -> list[str]:
        lookups, order = KeyLookups(), []

        async def wait(key: str) -> None:
            order.append(f"{key} waited" if await lookups.wait(key) else f"{key} did not wait")

        with lookups.running("a"):
            tasks = [asyncio.ensure_future(wait(key)) for key in ("a", "b", "")]
            await asyncio.sleep(0)
            order.append("ended")
        await asyncio.gather(*tasks)
        await wait("a")
        return order

    assert run_in_a_loop(story) == [
        "b did not wait",
        " did not wait",
        "ended",
        "a waited",
        "a did not wait",
    ]


def test_a_look_up_that_fails_and_a_caller_who_leaves_hold_nobody() -> None:
    async def story() -> bool:
        lookups, may_end = KeyLookups(), asyncio.Event()

        async def fail() -> None:
            with lookups.running("a"):
                await may_end.wait()
                raise LookupError

        failing = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        leaves, waits = (asyncio.ensure_future(lookups.wait("a")) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        may_end.set()
        await asyncio.gather(failing, leaves, return_exceptions=True)
        return await waits

    assert run_in_a_loop(story)
