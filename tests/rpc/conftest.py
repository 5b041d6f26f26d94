"""A server per test, and clients of it."""

from collections.abc import Callable, Iterator

import grpc
import pytest
from pytest_django import Settings

from projects.conf import RateLimitSettings
from projects.models import Project
from rpc.conf import RpcSettings
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient, ServedRpc


@pytest.fixture
def limits() -> RpcSettings:
    return RpcSettings(address="127.0.0.1:0", stop_seconds=10)


@pytest.fixture
def rate_limits() -> RateLimitSettings:
    """Off: all tests call from one address."""
    return RateLimitSettings(are_on=False)


@pytest.fixture
def served(
    transactional_db: None, limits: RpcSettings, rate_limits: RateLimitSettings, settings: Settings
) -> Iterator[ServedRpc]:
    settings.RATE_LIMITS = rate_limits
    served = ServedRpc(limits)
    yield served
    served.close()


@pytest.fixture
def channel(served: ServedRpc) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.address) as channel:
        yield channel


@pytest.fixture
def client(channel: grpc.Channel) -> Callable[[str], RpcClient]:
    """A client with a key, or with none for an empty one."""
    return lambda key: RpcClient(channel, key)


@pytest.fixture
def rpc(client: Callable[[str], RpcClient], project: Project) -> RpcClient:
    """The project's back end, with a key of every scope."""
    return client(key_of(project))
