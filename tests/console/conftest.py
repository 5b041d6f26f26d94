"""Operators of each role, and rows for every page of the console."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoDbBlocker

from console.operators import Role, ensure
from tests.console.world import World, build
from tests.prepared_world import drop_caches, shared_rows

PASSWORD = "a-long-enough-passphrase"


@pytest.fixture
def signed_in(db: None) -> Callable[[Role], Client]:
    """A browser in which somebody with this role has signed in."""

    def client_of(role: Role) -> Client:
        if not User.objects.filter(username=role.value).exists():
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


@pytest.fixture(scope="module")
def prepared_rows(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    """Built once for the tests of a module that ask for ``world``, with an operator of each role.
    A module says with ``WORLD_SIZE`` how many there are of what is listed."""
    with shared_rows(django_db_blocker):
        for role in Role:
            ensure(username=role.value, password=PASSWORD, role=role)
        yield build(size=getattr(request.module, "WORLD_SIZE", 1))


@pytest.fixture
def world(prepared_rows: World, db: None) -> World:
    drop_caches()
    return deepcopy(prepared_rows)
