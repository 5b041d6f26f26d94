"""A Redis server of a test's own, to freeze, kill and fill with rubbish."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.redis import breaker
from config.embedded.valkey import Valkey
from projects.models import Customer, Project
from tests.factories.entitlements import FeatureFactory, LimitFactory
from tests.factories.projects import CustomerFactory


@pytest.fixture(autouse=True)
def closed_breaker() -> Iterator[None]:
    breaker.close()
    yield
    breaker.close()


@pytest.fixture
def own_redis(tmp_path: Path, settings: pytest.FixtureRequest) -> Iterator[Valkey]:
    server = Valkey(tmp_path, durable=False, password="own")
    server.start()
    settings.REDIS_URL = server.url()
    yield server
    server.stop()


@pytest.fixture
def customer(project: Project) -> Customer:
    return CustomerFactory(project=project, user_id="ada")


@pytest.fixture
def sso(project: Project):
    return FeatureFactory(project=project, code="sso")


@pytest.fixture
def seats(project: Project):
    return LimitFactory(project=project, code="seats")
