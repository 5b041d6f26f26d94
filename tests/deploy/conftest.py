"""What is applied to a cluster."""

import pytest

from tests.deploy.kustomize import Resource, render
from tests.deploy.manifests import FOLDER

RENDERED = ("base", "overlays/staging", "overlays/production")


@pytest.fixture(params=RENDERED)
def resources(request: pytest.FixtureRequest) -> list[Resource]:
    """What is applied to a cluster."""
    return render(FOLDER / request.param)


@pytest.fixture
def base() -> list[Resource]:
    return render(FOLDER / "base")
