"""Act as a buyer on Stripe's hosted pages, and serve the shop that buyers return to."""

import re

from playwright.sync_api import Page, Route, expect

SHOP = "http://localhost:3000"
GOOD, DECLINED, NO_FUNDS, SECURE = (
    "4242 4242 4242 4242",
    "4000 0000 0000 0002",
    "4000 0000 0000 9995",
    "4000 0027 6000 3184",
)


def visit(page: Page, url: str) -> None:
    """Open a hosted page in the buyer's browser; the shop answers the return."""
    page.route(f"{SHOP}/**", _thank)
    page.goto(url)


def pay(page: Page, card: str) -> None:
    email = page.get_by_role("textbox", name="E-mail")
    if email.count() and email.is_editable():
        email.fill("ada@example.com")
    fill_in(page, card)
    page.get_by_role("button", name=re.compile("Subscribe|Pay")).click()


def fill_in(page: Page, card: str) -> None:
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("Security code").fill("123")
    page.get_by_label("Name on card").fill("Ada Lovelace")


def expect_thanks(page: Page) -> None:
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def _thank(route: Route) -> None:
    route.fulfill(status=200, content_type="text/html", body="<h1>Thank you</h1>")
