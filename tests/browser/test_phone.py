"""No page of the console is wider than a phone's screen.

A table may scroll within its own frame; the document never does, for then the menu and the buttons
slide out of sight.
"""

import pytest
from django.urls import resolve, reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from console.operators import Role, ensure
from tests.browser.test_console import PASSWORD, PHONE, sign_in
from tests.console.pages import PAGES
from tests.console.world import World, build

pytestmark = pytest.mark.browser

OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.body.querySelectorAll('*')]
        .filter(each => each.getBoundingClientRect().right > width + 1)
        .slice(0, 5)
        .map(each => each.tagName + '.' + each.className + ' ' + each.innerText?.slice(0, 40));
}"""
"""What sticks out, where the document can be scrolled sideways."""
SCROLLING = """frames => frames
    .filter(each => each.scrollWidth > each.clientWidth)
    .map(each => each.innerText.slice(0, 40))"""
SHOWN = """all => all
    .filter(each => each.checkVisibility())
    .map(each => each.getAttribute('hx-get'))"""


@pytest.fixture
def world(transactional_db: None) -> World:
    return build(size=2)


@pytest.fixture
def phone(page: Page, live_server: LiveServer, world: World) -> Page:
    """The console on a phone, after sign-in as somebody who may do everything."""
    ensure(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)
    page.set_viewport_size(PHONE)
    page.goto(f"{live_server.url}/admin/")
    assert page.evaluate(OVERFLOW) == []  # the page of the sign-in
    sign_in(page)
    return page


def too_wide(phone: Page, address: str) -> list[str]:
    answer = phone.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    return list(phone.evaluate(OVERFLOW))


def test_no_page_and_no_dialog_is_wider_than_the_screen(
    phone: Page, live_server: LiveServer, world: World
) -> None:
    """Each page, and each kind of dialog from the first page that has a button for it."""
    assert phone.eval_on_selector_all(".tg-scroll", SCROLLING) == [], "the home page"
    addresses = [reverse("admin:index"), reverse("admin:auth_user_changelist")]
    for page in PAGES:
        addresses += [page.listing, page.of(page.row_of(world))]
    wide_pages: dict[str, list[str]] = {}
    seen: set[str | None] = set()
    for address in addresses:
        if sticking_out := too_wide(phone, live_server.url + address):
            wide_pages[address] = sticking_out
        for way in phone.eval_on_selector_all("[hx-get]", SHOWN):
            kind = resolve(way).view_name
            if kind not in seen:
                seen.add(kind)
                open_and_measure(phone, way)
    assert wide_pages == {}
    assert len(seen) >= 6, seen


def open_and_measure(phone: Page, way: str) -> None:
    """Open the dialog, and close it again."""
    phone.locator(f"[hx-get='{way}']").first.click()
    dialog = phone.locator("#modal-content")
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box is not None
    assert (box["x"] >= 0, box["x"] + box["width"] <= PHONE["width"]) == (True, True), way
    assert phone.evaluate(OVERFLOW) == [], way
    phone.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
