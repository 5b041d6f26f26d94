"""A Redis server of the test's own, to freeze, kill and fill with invalid data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.redis import breaker
from devtools.embedded.valkey import Valkey
from entitlements.models import Feature
from projects.models import Customer, Project
from tests.factories.entitlements import FeatureFactory, LimitFactory
from tests.factories.projects import CustomerFactory
from tests.wsgi_calls import drop_local_caches


@pytest.fixture(autouse=True)
def closed_breaker() -> Iterator[None]:
    breaker.close()
    yield
    breaker.close()


@pytest.fixture
def empty_local_caches() -> None:
    drop_local_caches()


@pytest.fixture
def own_redis(tmp_path: Path, settings: Any) -> Iterator[Valkey]:
    server = Valkey(tmp_path, durable=False, password="own")
    server.start()
    settings.REDIS_URL = server.url()
    yield server
    server.stop()


@pytest.fixture
def customer(project: Project) -> Customer:
    return CustomerFactory.create(project=project, user_id="ada")


@pytest.fixture
def sso(project: Project) -> Feature:
    return FeatureFactory.create(project=project, code="sso")


@pytest.fixture
def seats(project: Project) -> Feature:
    return LimitFactory.create(project=project, code="seats")
