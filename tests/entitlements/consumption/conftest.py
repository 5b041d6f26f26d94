"""Fixtures of the tests of consumption."""

import pytest

from entitlements.models import Feature
from entitlements.models.feature import FeatureKind
from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.factories.usage import MeterFactory
from usage.models import Meter


@pytest.fixture
def meter(project: Project) -> Meter:
    return MeterFactory.create(project=project, code="calls")


@pytest.fixture
def calls(project: Project, meter: Meter) -> Feature:
    return FeatureFactory.create(
        project=project, code="api", kind=FeatureKind.METERED, meter=meter, period="month"
    )


@pytest.fixture
def images(project: Project) -> Feature:
    return FeatureFactory.create(project=project, code="image", kind=FeatureKind.CREDITS)
