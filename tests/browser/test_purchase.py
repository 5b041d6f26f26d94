"""A person buys through the hosted page, and an operator sees the entitlement in the console.

Everything is real here: the whole stack as processes, Stripe's part played by the sandbox.
"""

import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from config.demo.people import Tenant
from config.demo.web import Api
from config.embedded.place import home_of
from config.embedded.servers import Servers
from config.stack import Stack
from tests.services import new_home

pytestmark = pytest.mark.browser

SHOP = "http://localhost:3000"
GOOD, DECLINED, NO_FUNDS, SECURE = (
    "4242 4242 4242 4242",
    "4000 0000 0000 0002",
    "4000 0000 0000 9995",
    "4000 0027 6000 3184",
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The product, running on servers of its own."""
    given = {name: os.environ.pop(name, None) for name in ("DATABASE_URL", "REDIS_URL")}
    var = new_home()
    try:
        with Stack(var) as running:
            yield running
    finally:
        os.environ.update({name: value for name, value in given.items() if value})
        Servers(home_of(var), durable=True).discard()
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(scope="module")
def shop(stack: Stack) -> dict[str, Any]:
    """A tenant with a plan and an item on sale."""
    said = stack.manage("create_project", "Robots", "--return-origin", SHOP)
    key = next(word for word in said.split() if word.startswith("tg_test_"))
    tenant = Tenant(Api(stack.web_url, key))
    tenant.post("/features", {"code": "sso", "name": "Single sign-on"})
    product = tenant.post("/products", {"name": "Robot Pro", "features": [{"feature": "sso"}]})
    monthly = {"unit_amount": {"amount": 2900, "currency": "usd"}, "interval": "month"}
    price = tenant.post("/prices", {"product": product["id"], **monthly})
    return {"tenant": tenant, "price": price["id"]}


def open_checkout(page: Page, shop: dict[str, Any], user_id: str) -> None:
    """The buyer's browser on a fresh hosted page."""
    checkout = shop["tenant"].post(
        "/checkout/subscription",
        {
            "user_id": user_id,
            "price": shop["price"],
            "success_url": f"{SHOP}/thanks",
            "cancel_url": f"{SHOP}/pricing",
        },
    )
    page.route(f"{SHOP}/**", thank)
    page.goto(checkout["url"])


def thank(route: Route) -> None:
    route.fulfill(status=200, content_type="text/html", body="<h1>Thank you</h1>")


def pay(page: Page, card: str) -> None:
    email = page.get_by_role("textbox", name="E-mail")
    if email.count() and email.is_editable():
        email.fill("ada@example.com")
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("Security code").fill("123")
    page.get_by_label("Name on card").fill("Ada Lovelace")
    page.get_by_role("button", name=re.compile("Subscribe|Pay")).click()


def sign_in(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.web_url}/admin/login/")
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill(stack.environment["OPERATOR_PASSWORD"])
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize(("card", "said"), [(DECLINED, "declined"), (NO_FUNDS, "insufficient")])
def test_a_declined_card_is_told_on_the_page(
    page: Page, shop: dict[str, Any], card: str, said: str
) -> None:
    open_checkout(page, shop, f"declined-{said}")
    pay(page, card)

    expect(page.get_by_text(re.compile(said)).first).to_be_visible()
    expect(page.get_by_label("Card number")).to_have_value("")
    assert not shop["tenant"].may(f"declined-{said}", "sso")["allowed"]

    pay(page, GOOD)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    shop["tenant"].wait_until_may(f"declined-{said}", "sso", allowed=True)


def test_a_bank_that_asks_the_buyer_to_confirm(page: Page, shop: dict[str, Any]) -> None:
    open_checkout(page, shop, "secure")
    pay(page, SECURE)
    page.get_by_role("button", name=re.compile("Fail|Refuse", re.IGNORECASE)).click()
    expect(page.get_by_label("Card number")).to_be_visible()
    assert not shop["tenant"].may("secure", "sso")["allowed"]

    pay(page, SECURE)
    page.get_by_role("button", name=re.compile("Complete", re.IGNORECASE)).click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    shop["tenant"].wait_until_may("secure", "sso", allowed=True)


def test_the_console_shows_what_the_buyer_may_do_and_why(
    page: Page, stack: Stack, shop: dict[str, Any]
) -> None:
    open_checkout(page, shop, "ada")
    pay(page, GOOD)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    shop["tenant"].wait_until_may("ada", "sso", allowed=True)

    stack.manage("create_operator", "operator")
    sign_in(page, stack)
    customer = shop["tenant"].get("/customers/ada")["id"]
    page.goto(f"{stack.web_url}/admin/projects/customer/{customer}/change/")

    decision = page.get_by_role("row").filter(has_text="sso").first
    expect(decision).to_contain_text(re.compile("entitled", re.IGNORECASE))
    [subscription] = shop["tenant"].get("/subscriptions/ada")["data"]
    expect(page.get_by_text(subscription["id"]).first).to_be_visible()
