"""Refusals are held back, each caller's by its own number."""

import asyncio
from itertools import pairwise

import pytest

from projects.keys.credentials import ProjectCredential
from projects.limits import held_refusals
from projects.limits.callers import AddressKind, RequestKind
from projects.limits.held_refusals import (
    HOLD_SECONDS,
    MAX_HOLD_SECONDS,
    REFUSALS_PER_SECOND,
    HeldRefusals,
)
from projects.limits.limiter import Limiter
from projects.limits.token_bucket import Quota
from projects.models import Project
from tests.threads import run_in_a_loop


@pytest.fixture
def brief_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is measured in seconds is a tenth of what it is."""
    monkeypatch.setattr(held_refusals, "HOLD_SECONDS", HOLD_SECONDS / 10)
    monkeypatch.setattr(held_refusals, "MAX_HOLD_SECONDS", MAX_HOLD_SECONDS / 10)
    monkeypatch.setattr(held_refusals, "REFUSALS_PER_SECOND", REFUSALS_PER_SECOND * 10)


def quota_of(address: str) -> Quota:
    return Limiter().quota_of_address(address, AddressKind.ANONYMOUS)


def quota_of_project(project_id: str) -> Quota:
    credential = ProjectCredential("key_0", Project(id=project_id), frozenset())
    return Limiter().quota_of(credential, RequestKind.REQUESTS)


async def hold_at_once(refusals: HeldRefusals, quota: Quota, count: int) -> list[float]:
    return sorted(await asyncio.gather(*(refusals.hold(quota) for _ in range(count))))


@pytest.mark.usefixtures("brief_holds")
def test_callers_who_are_refused_together_come_back_one_after_the_other() -> None:
    """Their next requests are spread over a whole hold, and none is answered at once."""

    async def hold_all() -> list[float]:
        refusals = HeldRefusals(50, flood=50)
        holds = asyncio.ensure_future(hold_at_once(refusals, quota_of("192.0.2.1"), 50))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the first starts what starts them
        assert refusals.is_flooded
        assert await refusals.hold(quota_of("192.0.2.1")) == 0.0
        return await holds

    seconds = run_in_a_loop(hold_all)
    length = HOLD_SECONDS / 10
    assert length * 0.5 <= seconds[0] < seconds[-1] < length * 1.5
    gaps = [later - earlier for earlier, later in pairwise(seconds)]
    assert max(gaps) < length / 10


@pytest.mark.usefixtures("brief_holds")
@pytest.mark.parametrize("connections", [400, 1000])
def test_a_process_answers_as_many_refusals_over_any_number_of_connections(
    connections: int,
) -> None:
    """Each connection sends its next request as soon as it is refused."""
    seconds = 1.5

    async def flood() -> int:
        refusals, answered = HeldRefusals(2000, flood=500), 0
        end = asyncio.get_running_loop().time() + seconds

        async def send() -> None:
            nonlocal answered
            while asyncio.get_running_loop().time() < end:
                await refusals.hold(quota_of_project("prj_loud"))
                answered += 1

        await asyncio.gather(*(send() for _ in range(connections)))
        return answered - connections

    allowed = REFUSALS_PER_SECOND * 10 * seconds
    assert run_in_a_loop(flood) <= allowed * 1.5


@pytest.mark.usefixtures("brief_holds")
def test_a_flood_delays_the_refusals_of_its_own_caller_only() -> None:
    async def story() -> None:
        refusals = HeldRefusals(2000, flood=500)
        flood = asyncio.ensure_future(
            hold_at_once(refusals, quota_of_project("prj_loud"), REFUSALS_PER_SECOND * 5)
        )
        await asyncio.sleep(0)
        assert await refusals.hold(quota_of_project("prj_quiet")) < HOLD_SECONDS / 10 * 2
        await flood

    run_in_a_loop(story)


@pytest.mark.usefixtures("brief_holds")
def test_many_addresses_are_delayed_like_one_caller() -> None:
    async def story() -> list[float]:
        refusals = HeldRefusals(2000, flood=500)
        addresses = (f"192.0.2.{number % 250}" for number in range(1000))
        return sorted(await asyncio.gather(*(refusals.hold(quota_of(each)) for each in addresses)))

    assert run_in_a_loop(story)[-1] > HOLD_SECONDS / 10 * 2


def test_a_process_that_ends_answers_held_refusals_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without that the test would not end."""
    monkeypatch.setattr(held_refusals, "HOLD_SECONDS", 3600.0)
    monkeypatch.setattr(held_refusals, "MAX_HOLD_SECONDS", 3600.0)

    async def story() -> None:
        refusals = HeldRefusals(2000, flood=500)
        holds = asyncio.ensure_future(hold_at_once(refusals, quota_of("192.0.2.1"), 1000))
        while not refusals.is_flooded:
            await asyncio.sleep(0)
        refusals.release()
        await holds
        await refusals.hold(quota_of("192.0.2.1"))
        assert not refusals.is_flooded

    run_in_a_loop(story)
