"""Fixtures of the tests of requests that are answered before Django."""

import pytest

from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.wsgi_calls import drop_local_caches


@pytest.fixture
def empty_local_caches() -> None:
    drop_local_caches()


@pytest.fixture
def sso(project: Project) -> None:
    FeatureFactory.create(project=project, code="sso")
