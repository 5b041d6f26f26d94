"""Calls are counted in the same buckets as requests, and refused with the time to wait."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import takewhile

import grpc
import pytest
from django.db import connections
from structlog.testing import capture_logs

from common.request_threads import Threads
from config.server.admission import CHECKS
from projects.conf import RateLimitSettings
from projects.keys import key_cache
from projects.keys.credentials import ProjectCredential
from projects.limits.callers import FAILURES, AddressKind
from projects.limits.limiter import Limiter
from projects.models import Project
from rpc.admission import FREQUENT, AdmittedCall, LimitReached, RpcGate
from rpc.methods import ROUTES
from rpc.requests import CallMetadata
from rpc.routes import API
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient, RpcRefusal
from tests.threads import compute, run_in_a_loop

Clients = Callable[[str], RpcClient]
Code = grpc.StatusCode
LIST, CHECK = "PaymentService/ListPayments", "EntitlementService/Check"
QUESTION = {"user_id": "ada", "feature": "sso"}


@pytest.fixture
def rate_limits() -> RateLimitSettings:
    """A key may send five at once, of each kind."""
    return RateLimitSettings(requests=1, checks=1)


def refusal(client: RpcClient, method: str, values: dict[str, str] | None = None) -> RpcRefusal:
    """The first one of many calls."""
    with pytest.raises(RpcRefusal) as raised:
        call_often(client, method, values)
    return raised.value


def call_often(client: RpcClient, method: str, values: dict[str, str] | None) -> None:
    for _ in range(100):
        client.call(method, values)


@pytest.mark.parametrize(("method", "values"), [(LIST, {}), (CHECK, QUESTION)])
def test_a_key_beyond_its_limit_is_refused_and_another_project_is_not(
    client: Clients,
    project: Project,
    other_project: Project,
    method: str,
    values: dict[str, str],
) -> None:
    rpc = client(key_of(project))
    _, metadata = rpc.call_with_metadata(method, values)
    assert metadata["ratelimit-policy"].startswith('"key";q=5;w=5')
    assert metadata["ratelimit"].startswith('"key";r=4')
    error = refusal(rpc, method, values)
    assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, "rate-limited")
    assert error.retry_seconds == 1
    client(key_of(other_project)).call(method, values)


def test_an_address_with_many_wrong_keys_is_refused_before_a_query(
    client: Clients, project: Project
) -> None:
    key = key_of(project)
    client(key).call(LIST)
    reasons = (refusal(client(f"tg_test_{number:043}"), LIST).reason for number in range(100))
    refused_by_view = list(takewhile("invalid-key".__eq__, reasons))
    assert FAILURES <= len(refused_by_view) < 100
    assert refusal(client(f"tg_test_{0:043}"), LIST).reason == "rate-limited"
    client(key).call(LIST)  # a key that was accepted before is not shut out


def test_the_same_calls_count_as_checks() -> None:
    assert {f"{API}{path}" for path in FREQUENT} == CHECKS - {f"{API}/usage"}


def test_without_the_database_nobody_is_taken_for_a_stranger(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers have a narrow limit; this caller has done nothing wrong."""
    header = f"Bearer {key_of(project)}"
    key_cache.cache.drop_all()
    monkeypatch.setitem(connections.settings["default"], "PORT", "1")  # of new threads

    async def admit() -> AdmittedCall:
        threads = Threads(1)
        threads.start(asyncio.get_running_loop())
        try:
            gate = RpcGate(threads, Limiter())
            metadata = CallMetadata({"authorization": header}, "192.0.2.1")
            return await gate.admit(ROUTES[f"/tollgate.v1.{LIST}"], metadata)
        finally:
            threads.stop()

    admitted = run_in_a_loop(admit)
    assert (admitted.limits, admitted.is_refused) == ([], True)


def test_refused_calls_are_logged_once_and_then_counted() -> None:
    limiter = Limiter()
    quota = limiter.quota_of_address("192.0.2.1", AddressKind.ANONYMOUS)

    async def refuse_three() -> None:
        gate = RpcGate(Threads(1), limiter)
        await asyncio.gather(*(gate.hold(LimitReached(1.0, quota)) for _ in range(3)))
        gate.stop()

    with capture_logs() as lines:
        run_in_a_loop(refuse_three)
    assert [(line["event"], line["refused"]) for line in lines] == [
        ("requests_over_limit", 1),
        ("requests_over_limit", 2),
    ]


def test_a_check_says_that_its_project_is_there() -> None:
    """A cached check needs no thread; who computes in one leaves the event loop to it."""

    async def check_beside_a_loud_lane() -> int:
        threads = Threads(1)
        threads.start(asyncio.get_running_loop())
        try:
            await threads.run(partial(compute, 0.6), lane="loud")
            project = Project(id="prj_quiet")
            credential = ProjectCredential("key_0", project, frozenset())
            RpcGate(threads, Limiter()).count_check(credential)
            loud = asyncio.ensure_future(threads.run(bool, lane="loud"))
            await asyncio.sleep(0)
            running = threads.running_count
            await loud
            return running
        finally:
            threads.stop()

    assert run_in_a_loop(check_beside_a_loud_lane) == 0
