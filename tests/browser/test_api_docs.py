"""The API documentation works in a browser that can reach no other host."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.browser

METHODS = {"get", "post", "put", "patch", "delete"}
STEP = 400
"""Pixels that the page is scrolled at once: fewer than a screen has."""
LARGE: ViewportSize = {"width": 1280, "height": 720}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture
def watched(page: Page, live_server: LiveServer) -> Iterator[Page]:
    """A page that must ask this host only, and must not complain."""
    elsewhere: list[str] = []
    complaints: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((live_server.url, "data:", "blob:")):
            elsewhere.append(request.url)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert elsewhere == []
    assert complaints == []


def test_swagger_shows_every_operation(watched: Page, live_server: LiveServer) -> None:
    """It fits a phone, lists every operation on a large screen, and opens one."""
    open_on_a_phone(watched, f"{live_server.url}/api/docs")
    expect(watched.get_by_role("heading", name="Tollgate")).to_be_visible()
    expect(watched.locator(".opblock").first).to_be_visible()
    assert needed_width(watched) <= PHONE["width"]

    watched.set_viewport_size(LARGE)
    described = operations(watched.request.get(f"{live_server.url}/api/schema?format=json").json())
    assert read_through(watched) == described

    watched.evaluate("scrollTo(0, 0)")
    watched.locator(".opblock").first.click()
    expect(watched.get_by_role("button", name="Execute")).to_be_visible()


def operations(schema: dict[str, Any]) -> set[str]:
    """What the schema describes, by the ids that the page gives them."""
    return {
        f"operations-{operation['tags'][0]}-{operation['operationId']}"
        for path in schema["paths"].values()
        for method, operation in path.items()
        if method in METHODS
    }


def read_through(page: Page) -> set[str]:
    """The ids of all operations that come by between the top of the page and its end: those far
    from the screen are not drawn."""
    seen: set[str] = set()
    is_at_end = False
    while not is_at_end:
        seen |= set(page.locator(".opblock").evaluate_all("all => all.map(each => each.id)"))
        page.mouse.wheel(0, STEP)
        page.wait_for_timeout(100)
        is_at_end = page.evaluate("innerHeight + scrollY >= document.body.scrollHeight - 1")
    return seen | set(page.locator(".opblock").evaluate_all("all => all.map(each => each.id)"))


def test_redoc_shows_every_operation(watched: Page, live_server: LiveServer) -> None:
    """It fits a phone, and its search finds an operation on a large screen."""
    open_on_a_phone(watched, f"{live_server.url}/api/redoc")
    expect(watched.get_by_role("heading", name="Tollgate")).to_be_visible()
    assert needed_width(watched) <= PHONE["width"]

    watched.set_viewport_size(LARGE)
    expect(watched.get_by_role("heading", name="Register a project")).to_be_attached()
    watched.get_by_placeholder("Search...").fill("register a project")
    expect(watched.locator("[data-role='search:results'] label").first).to_be_visible()


def open_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(address)
    page.wait_for_load_state("networkidle")


def needed_width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_a_problem_points_at_its_explanation(watched: Page, live_server: LiveServer) -> None:
    """On a large screen and on a phone."""
    for screen in (LARGE, PHONE):
        watched.set_viewport_size(screen)
        watched.goto(f"{live_server.url}/docs/errors#idempotency-key-reused")
        expect(watched.locator("#idempotency-key-reused")).to_be_in_viewport()
        assert needed_width(watched) <= screen["width"]
