"""A page costs the same number of queries whatever it shows."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.console.pages import NAMES, PAGES, Page
from tests.console.world import World, build

pytestmark = pytest.mark.django_db


def queries_of(client: Client, address: str) -> int:
    client.get(address)  # what a process looks up once
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    assert answer.status_code == 200, address
    return len(captured)


@pytest.fixture
def two_worlds() -> tuple[World, World]:
    return build(size=2, name="Small"), build(size=9, name="Large")


@pytest.mark.parametrize("noun", PAGES, ids=NAMES)
def test_lists(noun: Page, administrator: Client) -> None:
    build(size=2)
    few = queries_of(administrator, noun.listing)

    build(size=9)

    assert queries_of(administrator, noun.listing) == few
    assert few <= 9


@pytest.mark.parametrize("noun", PAGES, ids=NAMES)
def test_pages_of_rows(noun: Page, administrator: Client, two_worlds: tuple[World, World]) -> None:
    small, large = (queries_of(administrator, noun.of(noun.row_of(each))) for each in two_worlds)

    assert small == large
    assert small <= 24


def test_home(administrator: Client) -> None:
    build(size=2)
    few = queries_of(administrator, "/admin/")

    build(size=9)

    assert queries_of(administrator, "/admin/") == few
    assert few < 15


@pytest.mark.parametrize("act", ["grant", "deny"])
def test_grant_dialogs(act: str, administrator: Client, two_worlds: tuple[World, World]) -> None:
    def address(world: World) -> str:
        return f"/admin/projects/customer/{world.customer.pk}/{act}/"

    small, large = (queries_of(administrator, address(each)) for each in two_worlds)

    assert small == large
