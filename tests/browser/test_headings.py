"""A row's page has room for its title and for all its buttons."""

from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize
from pytest_django.live_server_helper import LiveServer

from console.operators import Role, ensure
from tests.browser.test_console import PASSWORD, PHONE, sign_in
from tests.console.pages import PAGES
from tests.console.world import World, build

pytestmark = pytest.mark.browser

LAPTOP: ViewportSize = {"width": 1280, "height": 800}
HEADING = """() => {
    const line = document.querySelector('#header-inner > div');
    const title = document.querySelector('#header-inner h1');
    const parts = [...title.children];
    return {
        cut: parts.filter(each => each.scrollWidth > each.clientWidth).map(each => each.innerText),
        hasOwnLine: title.parentElement.clientWidth > 0.9 * line.clientWidth,
        outside: [...document.querySelectorAll('#header-inner li')]
            .filter(each => each.getBoundingClientRect().right > document.body.clientWidth)
            .map(each => each.innerText),
    };
}"""
"""Parts of the title that are cut off, whether the title has a line of its own, and buttons beyond
the edge of the page."""


@pytest.fixture
def world(transactional_db: None) -> World:
    return build(size=2)


def test_a_phone_shows_the_whole_title_of_a_list(
    page: Page, live_server: LiveServer, world: World, subtests: pytest.Subtests
) -> None:
    ensure(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)
    page.set_viewport_size(PHONE)
    page.goto(f"{live_server.url}/admin/")
    sign_in(page)
    for noun in PAGES:
        with subtests.test(noun.name):
            page.goto(live_server.url + noun.listing)
            cut: list[str] = page.evaluate(HEADING)["cut"]
            assert cut in ([], ["Failing requests and rows"]), "one is longer than the line"


def test_titles_are_not_cut_for_the_sake_of_buttons(
    page: Page, live_server: LiveServer, world: World, subtests: pytest.Subtests
) -> None:
    """Only a name that is longer than the line is cut."""
    ensure(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)
    page.set_viewport_size(LAPTOP)
    page.goto(f"{live_server.url}/admin/")
    sign_in(page)
    for noun in PAGES:
        row = noun.row_of(world)
        with subtests.test(noun.name):
            page.goto(live_server.url + noun.of(row))
            heading: dict[str, Any] = page.evaluate(HEADING)
            assert heading["outside"] == []
            assert heading["cut"] in ([], [str(row)])
            assert not heading["cut"] or heading["hasOwnLine"]
