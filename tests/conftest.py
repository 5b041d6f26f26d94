"""Fixtures that every part of the suite shares."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from common import context, invalidation, redis
from projects.models import Project
from tests import chromium, order, prepared_world
from tests.api_client import ApiClient
from tests.broadcast_sync import receive_broadcasts
from tests.contract import recorded_events
from tests.factories.projects import ProjectFactory, key_of, platform_key
from tests.flush.management.commands import flush
from tests.services import NOWHERE
from tests.waiting import SilentServer

pytest_plugins = ["tests.billing_fixtures"]
SANDBOX = Path(__file__).resolve().parent / "sandbox"

# How long an example takes says something about the machine only.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = order.long_first(items)


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """Servers of our own are deleted as a whole after the run: no database is dropped before, which
    a connection that a thread has left open would refuse."""
    return "TEST_TEMPLATE" in os.environ or bool(request.config.option.reuse_db)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The test database, as migrations have left it."""
    with django_db_blocker.unblock():
        flush.remember()


@pytest.fixture(scope="session", autouse=True)
def _compare_events_with_their_schemas() -> None:
    recorded_events.watch()


@pytest.fixture(scope="session", autouse=True)
def _stop_broadcast_listener() -> Iterator[None]:
    """Stop listening before the Redis server stops."""
    yield
    invalidation.stop()


@pytest.fixture(autouse=True)
def _warm_process(request: pytest.FixtureRequest) -> None:
    """Start each test in the state of a process that has been serving for a while: it listens, has
    received every broadcast, and takes Redis for alive.

    Left to itself the listener connects in the middle of the first test that asks for a copy, and
    drops every copy then. Tests of the sandbox, which has no copies, have a process of any kind.
    """
    is_serving = not request.path.is_relative_to(SANDBOX)
    if is_serving and os.environ["REDIS_URL"] != NOWHERE["REDIS_URL"]:
        redis.breaker.close()
        receive_broadcasts()


@pytest.fixture(autouse=True)
def _outside_of_requests() -> None:
    """Start each test while no request, task or command runs. The requests of an earlier test leave
    their ids behind: where a thread serves, its next request replaces them."""
    context.begin()
    context.request_id.set("")
    context.cause.set(None)


@pytest.fixture
def project(request: pytest.FixtureRequest, db: None) -> Project:
    if world := prepared_world.opened(request):
        return world.project()
    return ProjectFactory.create(name="Acme", slug="acme")


@pytest.fixture
def other_project(request: pytest.FixtureRequest, db: None) -> Project:
    """A neighbour that must never notice anything."""
    if world := prepared_world.opened(request):
        return world.project("borealis")
    return ProjectFactory.create(name="Borealis", slug="borealis")


@pytest.fixture
def api(project: Project) -> ApiClient:
    """The project's back end, with a key of every scope."""
    return ApiClient(key_of(project))


@pytest.fixture
def other_api(other_project: Project) -> ApiClient:
    return ApiClient(key_of(other_project))


@pytest.fixture
def platform_api(db: None) -> ApiClient:
    """The platform's own automation."""
    return ApiClient(platform_key())


@pytest.fixture
def silent_server() -> Iterator[SilentServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = SilentServer(listening)
        yield server
        server.close()


@pytest.fixture
def silent_port(silent_server: SilentServer) -> int:
    return silent_server.port


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Playwright's own downloads are not used. Chromium's sandbox does not work as root."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    executable = chromium.executable()
    return {**browser_type_launch_args, "executable_path": executable, "args": arguments}
