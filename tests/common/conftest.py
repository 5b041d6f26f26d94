"""Fixtures of the tests of common."""

import pytest

from projects.models import Project
from tests.common.raw_requests import Raw
from tests.factories.projects import key_of


@pytest.fixture
def raw(project: Project) -> Raw:
    return Raw(key_of(project))
