"""A sender of webhooks for a module, and operators who look at an endpoint."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from common.conf import EgressSettings
from console.operators import Role, ensure
from delivery.models import WebhookEndpoint
from delivery.sender.process import SenderProcess
from projects.models import Project
from tests.delivery.sender.conftest import LOCAL
from tests.delivery.webhooks.dispatching import Dispatching, endpoint_at

URL = "https://hook.example.com/in"


@pytest.fixture(scope="module")
def sender() -> Iterator[SenderProcess]:
    with SenderProcess(LOCAL) as process:
        yield process


@pytest.fixture
def dispatching(db: None, sender: SenderProcess, settings: Any) -> Iterator[Dispatching]:
    settings.EGRESS = EgressSettings(loopback=True)
    dispatching = Dispatching.of(sender)
    yield dispatching
    while dispatching.dispatcher.has_in_flight:
        dispatching.dispatcher.collect(at=dispatching.at, wait=0.1)


def browser_of(role: Role) -> Client:
    ensure(username=role.value, password="a-long-enough-passphrase", role=role)
    client = Client()
    client.force_login(User.objects.get(username=role.value))
    return client


@pytest.fixture
def operator(db: None) -> Client:
    return browser_of(Role.OPERATOR)


@pytest.fixture
def viewer(db: None) -> Client:
    return browser_of(Role.VIEWER)


@pytest.fixture
def endpoint(project: Project) -> WebhookEndpoint:
    row, _ = endpoint_at(URL, project, headers={"x-token": "our-gateway-secret"})
    return row
