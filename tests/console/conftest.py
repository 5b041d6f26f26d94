"""Operators of each role, and rows for every page of the console."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from console.operators import Role, ensure
from tests.console.world import World, build

PASSWORD = "a-long-enough-passphrase"


@pytest.fixture
def signed_in(db: None) -> Callable[[Role], Client]:
    """A browser in which somebody with this role has signed in."""

    def client_of(role: Role) -> Client:
        ensure(username=role.value, password=PASSWORD, role=role)
        client = Client()
        client.force_login(User.objects.get(username=role.value))
        return client

    return client_of


@pytest.fixture
def administrator(signed_in: Callable[[Role], Client]) -> Client:
    return signed_in(Role.ADMINISTRATOR)


@pytest.fixture
def operator(signed_in: Callable[[Role], Client]) -> Client:
    return signed_in(Role.OPERATOR)


@pytest.fixture
def viewer(signed_in: Callable[[Role], Client]) -> Client:
    return signed_in(Role.VIEWER)


@pytest.fixture
def world(db: None) -> World:
    return build()
