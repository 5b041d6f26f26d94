"""Fixtures of the tests of usage."""

from typing import Any

import pytest

from projects.models import Project
from tests.factories.usage import MeterFactory


@pytest.fixture
def meter(project: Project) -> Any:
    return MeterFactory.create(project=project, code="bytes", unit="bytes")
