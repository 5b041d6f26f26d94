"""Calls that the event loop answers itself take turns by project while several projects call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from entitlements.models import Feature
from projects.limits.limiter import Limiter
from projects.models import Customer, Project
from rpc import descriptors
from rpc.admission import RpcGate
from rpc.checks import CheckMethod
from rpc.fair_answers import MAX_WAITING, FairAnswers
from rpc.methods import ROUTES
from tests.factories.projects import CustomerFactory, key_of
from tests.rpc.rpc_server import RpcClient, ServedRpc
from tests.threads import compute, run_in_a_loop

COST_SECONDS = 0.0005
"""CPU time of an answer, as grpcio's."""


class Answers:
    """The lanes of the calls that have been answered, in order."""

    def __init__(self, cost: float) -> None:
        self.fair = FairAnswers()
        self.lanes: list[str] = []
        self._cost = cost

    async def call(self, lane: str) -> None:
        self.fair.note(lane)
        await self.fair.wait(lane)
        compute(self._cost)
        self.lanes.append(lane)

    def begin(self, lane: str, count: int = 1) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self.call(lane)) for _ in range(count)]


def play(story: Callable[[Answers], Awaitable[None]], *, cost: float = COST_SECONDS) -> list[str]:
    answers = Answers(cost)

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


def test_another_project_does_not_wait_for_those_with_many_calls() -> None:
    async def story(answers: Answers) -> None:
        await answers.call("b")
        loud = [each for lane in "acde" for each in answers.begin(lane, 50)]
        await asyncio.sleep(0)
        answers.lanes.clear()
        await answers.call("b")
        assert answers.lanes == ["b"]
        await asyncio.gather(*loud)

    lanes = play(story)
    assert {lane: lanes.count(lane) for lane in "acde"} == dict.fromkeys("acde", 49)


def test_a_new_call_does_not_overtake_those_of_its_project() -> None:
    async def story(answers: Answers) -> None:
        await answers.call("b")
        finished: list[int] = []

        async def numbered(number: int) -> None:
            await answers.call("a")
            finished.append(number)

        calls = [asyncio.ensure_future(numbered(number)) for number in range(20)]
        while len(finished) < 10:
            await asyncio.sleep(0.001)
        await asyncio.gather(*calls, numbered(20))
        assert finished == sorted(finished)

    play(story)


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


def test_no_more_calls_wait_than_leave_places_for_others() -> None:
    async def story(answers: Answers) -> None:
        await answers.call("b")
        calls = answers.begin("a", 3 * MAX_WAITING)
        await asyncio.sleep(0)
        assert answers.lanes.count("a") == 2 * MAX_WAITING
        await asyncio.gather(*calls)

    assert play(story, cost=0.0).count("a") == 3 * MAX_WAITING


class Caller:
    """What a handler of grpcio is given of a call."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.sent: Any = ()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._key}"),)

    def set_trailing_metadata(self, metadata: Any) -> None:
        self.sent = metadata


@pytest.fixture
def users(project: Project, other_project: Project, sso: Feature) -> list[Customer]:
    """A user of each of two projects."""
    return [
        CustomerFactory.create(project=each, user_id="ada") for each in (project, other_project)
    ]


def test_cached_checks_of_two_projects_are_answered_in_turns(
    served: ServedRpc, client: Callable[[str], RpcClient], users: list[Customer]
) -> None:
    keys = [key_of(user.project) for user in users]
    question = {"user_id": "ada", "feature": "sso"}
    for key in keys:
        client(key).call("EntitlementService/Check", question)
    name = "/tollgate.v1.EntitlementService/Check"
    descriptor = descriptors.services()["tollgate.v1.EntitlementService"].methods_by_name["Check"]
    server = served.server
    gate = RpcGate(server.threads, Limiter())  # nobody has called through it
    check = CheckMethod(ROUTES[name], descriptor, server.threads, gate)
    message = descriptors.message_class(descriptor.input_type)(**question).SerializeToString()

    async def answered_at_once(key: str) -> int:
        calls = [
            asyncio.ensure_future(check.answer_cached(message, Caller(key))) for _ in range(30)
        ]
        await asyncio.sleep(0)
        count = sum(call.done() for call in calls)
        assert None not in await asyncio.gather(*calls)
        return count

    async def story() -> list[int]:
        alone = await answered_at_once(keys[0])
        return [alone, *[await answered_at_once(key) for key in keys[::-1]]]

    assert served.run(story()) == [30, 1, 1]
