import pytest

from projects.models import Project
from tests.delivery.bus.conftest import streams, valkey
from tests.delivery.inbound.sending import AuthService

__all__ = ["streams", "valkey"]


@pytest.fixture
def auth_service(project: Project) -> AuthService:
    return AuthService(project)
