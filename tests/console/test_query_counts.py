"""Each console page costs a fixed number of queries."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from console.operators import Role
from delivery import ways_out
from delivery.conf import TemporalSettings
from delivery.models import MailSettings
from delivery.outlets import outlet
from delivery.outlets.outlet import Start
from entitlements.models import Feature
from events.log import sequencer
from tests.console.pages import PAGES
from tests.console.world import World, build
from tests.factories.entitlements import grant
from usage.meters import service as meters

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _warm_console(administrator: Client) -> None:
    """Look up what a process looks up once."""
    ContentType.objects.get_for_models(*(noun.model for noun in PAGES))
    administrator.get("/admin/")


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    assert answer.status_code == 200, address
    return len(captured)


@pytest.fixture
def two_worlds() -> tuple[World, World]:
    return build(size=2, name="Small"), build(size=9, name="Large")


def test_lists_cost_a_fixed_number_of_queries(
    administrator: Client, subtests: pytest.Subtests
) -> None:
    build(size=2)
    few = {noun: queries_of(administrator, noun.listing) for noun in PAGES}

    build(size=9)

    for noun in PAGES:
        with subtests.test(noun.name):
            assert queries_of(administrator, noun.listing) == few[noun]
            assert few[noun] <= 9


def test_pages_of_rows_cost_a_fixed_number_of_queries(
    administrator: Client, two_worlds: tuple[World, World], subtests: pytest.Subtests
) -> None:
    for noun in PAGES:
        with subtests.test(noun.name):
            pages = (noun.of(noun.row_of(each)) for each in two_worlds)
            small, large = (queries_of(administrator, page) for page in pages)
            assert small == large
            assert small <= 15


@pytest.mark.parametrize("role", list(Role))
def test_the_home_page_costs_at_most_14_queries(
    role: Role, signed_in: Callable[[Role], Client], settings: Any
) -> None:
    """With every way out, all of them behind, and for an operator whose permissions are looked
    up."""
    settings.BUS = replace(settings.BUS, url="redis://127.0.0.1:1/0", kafka_servers="127.0.0.1:1")
    settings.TEMPORAL = TemporalSettings(address="127.0.0.1:1")
    browser = signed_in(role)
    empty = queries_of(browser, "/admin/")
    project = build(size=2).project
    for name in ("bus", "kafka", "mail", "signals"):
        outlet.lock(name, start=Start.OLDEST)
    sequencer.run()
    MailSettings.objects.for_project(project).update(channel="email")

    few = queries_of(browser, "/admin/")
    build(size=9)

    assert [way.waiting > 0 for way in ways_out.all_ways(at=timezone.now())][:4] == [True] * 4
    assert queries_of(browser, "/admin/") == few == empty
    assert few <= 14


def test_the_customer_page_costs_a_fixed_number_of_queries(administrator: Client) -> None:
    """Figures come from counters and totals, and a balance: nothing more to ask for than those."""
    world = build(size=2)
    meter = meters.create(
        project=world.project,
        code="visitors",
        name="Visitors",
        aggregation="unique",
        reason="To count them.",
        actor="command",
        at=timezone.now(),
    )
    rows = Feature.objects.for_project(world.project)
    counted = rows.create(code="visitors", kind="metered", meter=meter, period="month")
    priced = rows.create(code="drawings", kind="credits")
    grant(world.customer, (counted, 5), (priced, 2), at=timezone.now())
    address = f"/admin/projects/customer/{world.customer.pk}/change/"

    assert queries_of(administrator, address) == 13

    assert b"0 of 5" in administrator.get(address).content
    assert b"2 credits" in administrator.get(address).content


@pytest.mark.parametrize("act", ["grant", "deny"])
def test_grant_dialogs_cost_a_fixed_number_of_queries(
    act: str, administrator: Client, two_worlds: tuple[World, World]
) -> None:
    def address(world: World) -> str:
        return f"/admin/projects/customer/{world.customer.pk}/{act}/"

    small, large = (queries_of(administrator, address(each)) for each in two_worlds)

    assert small == large
