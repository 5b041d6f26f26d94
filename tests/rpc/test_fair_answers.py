"""Calls that the event loop answers itself take turns by project while several projects call."""

import asyncio
from collections.abc import Awaitable, Callable

from rpc.fair_answers import FairAnswers
from tests.threads import run_in_a_loop


class Answers:
    """The lanes of the calls that have been answered, in order."""

    def __init__(self) -> None:
        self.fair_answers = FairAnswers()
        self.lanes: list[str] = []

    async def call(self, lane: str) -> None:
        self.fair_answers.note(lane)
        await self.fair_answers.wait(lane)
        self.lanes.append(lane)

    def begin(self, lane: str, count: int = 1) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self.call(lane)) for _ in range(count)]


def play(story: Callable[[Answers], Awaitable[None]]) -> list[str]:
    answers = Answers()

    async def run() -> None:
        await asyncio.wait_for(story(answers), timeout=30)

    run_in_a_loop(run)
    return answers.lanes


def test_a_project_alone_takes_no_turns() -> None:
    async def story(answers: Answers) -> None:
        answers.begin("a", 50)
        await asyncio.sleep(0)
        assert answers.lanes == ["a"] * 50

    play(story)


def test_another_project_comes_after_one_call_of_each() -> None:
    async def story(answers: Answers) -> None:
        await answers.call("b")
        loud = answers.begin("a", 50) + answers.begin("c", 50)
        await asyncio.sleep(0)
        answers.lanes.clear()
        await answers.call("b")
        assert len(answers.lanes) <= 3
        await asyncio.gather(*loud)

    lanes = play(story)
    assert lanes.count("a") == lanes.count("c") == 49


def test_projects_that_wait_take_turns() -> None:
    async def story(answers: Answers) -> None:
        await answers.call("b")
        await asyncio.gather(*answers.begin("a", 30), *answers.begin("c", 30))

    lanes = play(story)[1:]
    for count in range(2, len(lanes), 2):
        assert abs(lanes[:count].count("a") - lanes[:count].count("c")) <= 1


def test_a_caller_who_hangs_up_gives_the_turn_to_the_next() -> None:
    async def story(answers: Answers) -> None:
        await answers.call("b")
        calls = answers.begin("a", 30)
        await asyncio.sleep(0)
        for gone in calls[1:20]:
            gone.cancel()
        await asyncio.gather(*calls[20:])

    assert play(story).count("a") == 11
