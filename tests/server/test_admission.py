"""What is counted before a request gets a thread, and how refusals are held back."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from django.test import RequestFactory

from common.request_threads import Threads
from config.server import callers
from config.server.admission import Gate, RefusedByLimit
from config.server.application import Application
from config.server.callers import RequestSender
from projects.keys import key_cache
from projects.keys.credentials import ProjectCredential
from projects.limits import shared_counts
from projects.limits.callers import ANONYMOUS_RATE, BURST_SECONDS, PREFLIGHTS
from projects.limits.lanes import LANES, lane_of_address
from projects.limits.limiter import Limiter
from projects.limits.token_bucket import Limit
from projects.models import Project
from tests.factories.projects import key_of
from tests.server.server_requests import run_with_application, send
from tests.threads import compute, run_in_a_loop

ADDRESSES = 500


def play(story: Callable[[Threads], Awaitable[None]]) -> None:
    """Run a story with one thread in an event loop of its own."""

    async def run() -> None:
        threads = Threads(1)
        threads.start(asyncio.get_running_loop())
        try:
            await asyncio.wait_for(story(threads), timeout=60)
        finally:
            threads.stop()

    run_in_a_loop(run)


def environ_of(method: str, path: str, address: str = "192.0.2.1") -> dict[str, Any]:
    environ: dict[str, Any] = RequestFactory().generic(method, path, REMOTE_ADDR=address).environ
    return environ


def test_questions_of_browsers_have_a_limit_of_their_own() -> None:
    """They are not counted as requests, and nobody can send them without end."""

    async def story(threads: Threads) -> None:
        gate = Gate(threads, Limiter(lambda: 1000.0))
        for _ in range(int(PREFLIGHTS)):
            await gate.admit(environ_of("OPTIONS", "/api/v1/billing/plans"))
        with pytest.raises(RefusedByLimit):
            await gate.admit(environ_of("OPTIONS", "/api/v1/billing/plans"))
        await gate.admit(environ_of("GET", "/api/v1/billing/plans"))
        await gate.admit(environ_of("OPTIONS", "/api/v1/billing/plans", address="192.0.2.2"))

    play(story)


def test_addresses_of_webhooks_that_do_not_exist_take_no_memory() -> None:
    async def story(threads: Threads) -> None:
        limiter = Limiter()
        gate = Gate(threads, limiter)
        for number in range(100):
            await gate.admit(environ_of("POST", f"/webhooks/stripe/guess{number}"))
        assert limiter.quota_count == 0

    play(story)


def test_a_check_says_that_its_project_is_there() -> None:
    """A cached check needs no thread; who computes in one leaves the event loop to it."""

    async def story(threads: Threads) -> None:
        await threads.run(partial(compute, 0.6), lane="loud")
        project = Project(id="prj_quiet")
        Gate(threads, Limiter()).count_check(ProjectCredential("key_0", project, frozenset()))
        loud = asyncio.ensure_future(threads.run(bool, lane="loud"))
        await asyncio.sleep(0)
        assert threads.running_count == 0
        await loud

    play(story)


@pytest.mark.django_db(transaction=True)
def test_requests_with_one_key_look_it_up_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look-up takes a thread and a connection, and others wait for both."""
    header, looked_up = f"Bearer {key_of(project)}", []
    find = callers.find_caller
    key_cache.cache.drop_all()

    def count(environ: dict[str, Any]) -> RequestSender:
        looked_up.append(environ["PATH_INFO"])
        return find(environ)

    monkeypatch.setattr(callers, "find_caller", count)

    async def story(threads: Threads) -> None:
        gate = Gate(threads, Limiter())
        requests = [environ_of("GET", "/api/v1/customers") for _ in range(50)]
        for environ in requests:
            environ["HTTP_AUTHORIZATION"] = header
        admissions = await asyncio.gather(*map(gate.admit, requests))
        assert {admission.lane for admission in admissions} == {project.pk}

    play(story)
    assert len(looked_up) == 1


def test_any_number_of_addresses_delays_a_project_by_a_few_requests() -> None:
    async def story(threads: Threads) -> None:
        done: list[str] = []
        held, may_go = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold_thread() -> None:
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(may_go.wait(), loop).result()

        holder = asyncio.ensure_future(threads.run(hold_thread, lane="holder"))
        await held.wait()
        lanes = [lane_of_address(f"2001:db8:0:{number:x}::") for number in range(ADDRESSES)]
        waiting = [
            asyncio.ensure_future(threads.run(lambda: done.append("address"), lane=lane))
            for lane in lanes
        ]
        await asyncio.sleep(0)
        project = asyncio.ensure_future(threads.run(lambda: done.append("project"), lane="prj_1"))
        await asyncio.sleep(0)
        may_go.set()
        await asyncio.gather(holder, project, *waiting)
        assert done.index("project") <= LANES
        assert len(done) == ADDRESSES + 1

    play(story)


def test_a_connection_whose_refusal_is_held_counts_as_idle() -> None:
    """So it is closed before those of callers within their limit if there are too many."""
    allowed = int(ANONYMOUS_RATE * BURST_SECONDS)
    clients = [f"203.0.113.7:{port}" for port in range(1000, 1000 + allowed + 5)]

    async def story(app: Application) -> Counter[int]:
        requests = [send(app, "/api/v1/customers", b"", client=client) for client in clients]
        answers = asyncio.gather(*requests)
        while app.busy or not app.held:
            await asyncio.sleep(0.01)
        assert app.held <= set(clients)
        app.gate.let_go()
        statuses = Counter(answer[0] for answer in await answers)
        assert not app.held
        return statuses

    assert run_with_application(story) == {401: allowed, 429: 5}


class LimiterThatFailsOnce(Limiter):
    """Its first report is lost."""

    reports = 0

    def collect(self, count: int) -> list[tuple[Limit, int]]:
        self.reports += 1
        if self.reports == 1:
            raise RuntimeError("A report that fails.")
        return super().collect(count)


def test_processes_go_on_exchanging_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "EXCHANGE_SECONDS", 0.01)

    async def story(threads: Threads) -> None:
        limiter = LimiterThatFailsOnce()
        task = asyncio.ensure_future(shared_counts.keep_exchanging(limiter, threads))
        while limiter.reports < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(story)
