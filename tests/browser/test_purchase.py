"""A person buys through the hosted page, and an operator sees the entitlement in the console.

Everything is real here: the whole stack as processes, Stripe's part played by the sandbox.
"""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from devtools.stack import Stack
from tests.browser.hosted_page import (
    DECLINED,
    GOOD,
    NO_FUNDS,
    SECURE,
    SHOP,
    expect_thanks,
    pay,
    visit,
)

pytestmark = pytest.mark.browser

ADDRESSES = {"success_url": f"{SHOP}/thanks", "cancel_url": f"{SHOP}/pricing"}


def open_checkout(page: Page, shop: dict[str, Any], user_id: str) -> None:
    """The buyer's browser on a fresh hosted page."""
    order = {"user_id": user_id, "price": shop["price"], **ADDRESSES}
    visit(page, shop["tenant"].post("/checkout/subscription", order)["url"])


def sign_in(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.web_url}/admin/login/")
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill(stack.environment["OPERATOR_PASSWORD"])
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize(("card", "reason"), [(DECLINED, "declined"), (NO_FUNDS, "insufficient")])
def test_a_declined_card_is_reported_on_the_page(
    page: Page, shop: dict[str, Any], card: str, reason: str
) -> None:
    open_checkout(page, shop, f"declined-{reason}")
    pay(page, card)

    expect(page.get_by_text(re.compile(reason)).first).to_be_visible()
    expect(page.get_by_label("Card number")).to_have_value("")
    assert not shop["tenant"].may(f"declined-{reason}", "sso")["allowed"]

    pay(page, GOOD)
    expect_thanks(page)
    shop["tenant"].wait_until_may(f"declined-{reason}", "sso", allowed=True)


def test_a_buyer_confirms_the_payment_with_the_bank(page: Page, shop: dict[str, Any]) -> None:
    open_checkout(page, shop, "secure")
    pay(page, SECURE)
    page.get_by_role("button", name=re.compile("Fail|Refuse", re.IGNORECASE)).click()
    expect(page.get_by_label("Card number")).to_be_visible()
    assert not shop["tenant"].may("secure", "sso")["allowed"]

    pay(page, SECURE)
    page.get_by_role("button", name=re.compile("Complete", re.IGNORECASE)).click()
    expect_thanks(page)
    shop["tenant"].wait_until_may("secure", "sso", allowed=True)


def test_a_cart_is_paid_with_the_second_card(page: Page, shop: dict[str, Any]) -> None:
    """A plan and a one-time item on one page: the first card is declined, the next one pays."""
    tenant = shop["tenant"]
    cart = tenant.post("/carts", {"user_id": "carla", "lines": [{"price": shop["price"]}]})
    tenant.post(f"/carts/{cart['id']}/items", {"price": shop["item"], "quantity": 2})
    checkout = tenant.post("/checkout/cart", {"cart": cart["id"], **ADDRESSES})
    visit(page, checkout["url"])
    expect(page.get_by_text("$129.00").first).to_be_visible()

    pay(page, DECLINED)
    expect(page.get_by_text(re.compile("declined")).first).to_be_visible()
    assert tenant.get(f"/carts/{cart['id']}")["status"] == "frozen"
    assert not tenant.may("carla", "sso")["allowed"]

    pay(page, GOOD)
    expect_thanks(page)
    for feature in ("sso", "setup"):
        tenant.wait_until_may("carla", feature, allowed=True)
    bought = tenant.get(f"/carts/{cart['id']}")
    assert bought["status"] == "completed"
    assert tenant.get(f"/checkout/{checkout['id']}")["total"]["amount"] == 12900


def test_the_console_shows_what_the_buyer_may_do_and_why(
    page: Page, stack: Stack, shop: dict[str, Any]
) -> None:
    open_checkout(page, shop, "ada")
    pay(page, GOOD)
    expect_thanks(page)
    shop["tenant"].wait_until_may("ada", "sso", allowed=True)

    stack.manage("create_operator", "operator")
    sign_in(page, stack)
    customer = shop["tenant"].get("/customers/ada")["id"]
    page.goto(f"{stack.web_url}/admin/projects/customer/{customer}/change/")

    decision = page.get_by_role("row").filter(has_text="sso").first
    expect(decision).to_contain_text(re.compile("entitled", re.IGNORECASE))
    [subscription] = shop["tenant"].get("/subscriptions/ada")["data"]
    expect(page.get_by_text(subscription["id"]).first).to_be_visible()
