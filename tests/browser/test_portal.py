"""A subscriber changes plan and card and cancels in Stripe's portal, and the tenant gets events."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from devtools.demo.narrator import until
from devtools.demo.people import DemoBuyer
from devtools.stack import Stack
from tests.browser.hosted_page import (
    DECLINED,
    GOOD,
    SECURE,
    SHOP,
    expect_thanks,
    fill_in,
    visit,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.browser

PHONE: ViewportSize = {"width": 390, "height": 844}


def subscribe(stack: Stack, shop: dict[str, Any], user_id: str) -> None:
    """The user has the small plan. Paying for it in a browser is the subject of test_purchase."""
    order = {"user_id": user_id, "price": shop["price"], "success_url": f"{SHOP}/thanks"}
    checkout = shop["tenant"].post("/checkout/subscription", order)
    DemoBuyer(stack.sandbox_url).pay(checkout["url"], card=GOOD)
    shop["tenant"].wait_until_may(user_id, "sso", allowed=True)


def enter(page: Page, shop: dict[str, Any], user_id: str) -> None:
    body = {"user_id": user_id, "return_url": f"{SHOP}/account"}
    visit(page, shop["tenant"].post("/portal", body)["url"])
    expect(page.get_by_role("heading", name="Billing", exact=True)).to_be_visible()


def wait_for(shop: dict[str, Any], user_id: str, what: str, is_so: Any) -> dict[str, Any]:
    """The user's subscription, once the tenant sees it like this."""

    def look() -> dict[str, Any] | None:
        [subscription] = shop["tenant"].get(f"/subscriptions/{user_id}")["data"]
        return subscription if is_so(subscription) else None

    subscription: dict[str, Any] = until(what, look, seconds=PATIENCE)
    return subscription


def wait_for_invoices(shop: dict[str, Any], user_id: str, count: int) -> list[dict[str, Any]]:
    """The user's invoices, the newest first, once there are so many: the plan's items and the
    invoice for the change are two objects, which are read one after the other."""

    def look() -> list[dict[str, Any]] | None:
        rows: list[dict[str, Any]] = shop["tenant"].get(f"/invoices?user_id={user_id}")["data"]
        return rows if len(rows) == count else None

    rows: list[dict[str, Any]] = until(f"{count} invoices are mirrored", look, seconds=PATIENCE)
    return rows


def test_a_subscriber_cancels_and_undoes_it_on_a_phone(
    page: Page, stack: Stack, shop: dict[str, Any]
) -> None:
    subscribe(stack, shop, "petra")
    page.set_viewport_size(PHONE)
    enter(page, shop, "petra")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("link", name="Cancel plan").click()
    page.get_by_role("button", name="Cancel plan").click()
    expect(page.get_by_role("status")).to_be_visible()
    ending = wait_for(shop, "petra", "it will end", lambda row: row["cancel_at"] is not None)
    assert ending["cancel_at"] == ending["items"][0]["period_end"]
    assert shop["tenant"].may("petra", "sso")["allowed"]

    page.get_by_role("button", name=re.compile("keep|renew|don.t cancel", re.IGNORECASE)).click()
    wait_for(shop, "petra", "it goes on", lambda row: row["cancel_at"] is None)
    page.get_by_role("link", name="Return to").click()
    expect_thanks(page)


def test_a_subscriber_changes_the_card(page: Page, stack: Stack, shop: dict[str, Any]) -> None:
    """One that is declined leaves the old one; another is confirmed with the bank."""
    subscribe(stack, shop, "paul")
    enter(page, shop, "paul")
    expect(page.get_by_text("4242")).to_be_visible()
    page.get_by_role("link", name="Change card").click()
    fill_in(page, DECLINED)
    page.get_by_role("button", name="Save card").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("declined", re.IGNORECASE))
    fill_in(page, SECURE)
    page.get_by_role("button", name="Save card").click()
    page.get_by_role("button", name=re.compile("Complete", re.IGNORECASE)).click()
    expect(page.get_by_text("3184")).to_be_visible()
    [saved, *_] = [
        each
        for each in shop["tenant"].get("/customers/paul/payment-methods")["data"]
        if each["is_default"]
    ]
    assert saved["last4"] == "3184"


def test_a_subscriber_changes_the_plan(page: Page, stack: Stack, shop: dict[str, Any]) -> None:
    """What the page says is due today is what the invoice says."""
    subscribe(stack, shop, "pia")
    enter(page, shop, "pia")
    page.get_by_role("link", name="Update plan").click()
    page.get_by_label("Robot Team").check()
    page.get_by_role("button", name="Continue").click()
    due = page.locator(".total dd").inner_text()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Robot Team").first).to_be_visible()
    shop["tenant"].wait_until_may("pia", "audit", allowed=True)
    shop["tenant"].wait_until_may("pia", "sso", allowed=False)
    latest, first = wait_for_invoices(shop, "pia", 2)
    assert latest["issued_at"] >= first["issued_at"]
    assert due == f"${latest['total']['amount'] / 100:.2f}"
