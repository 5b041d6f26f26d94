"""Fixtures of the tests of totals."""

import pytest

from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.factories.usage import MeterFactory
from usage.models import Meter


@pytest.fixture
def meter(project: Project) -> Meter:
    return MeterFactory.create(project=project, code="calls")


@pytest.fixture
def customer(project: Project) -> Customer:
    return CustomerFactory.create(project=project, user_id="ada")
