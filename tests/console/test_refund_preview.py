"""A browser shows the whole preview of a refund without scrolling."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from billing.models import Payment, Price, Product, StripeCustomer
from console.operators import Role, ensure
from tests.shop import Shop

pytestmark = pytest.mark.browser

PASSWORD = "a-long-enough-passphrase"
SIZES: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desktop": {"width": 1280, "height": 900},
}


@pytest.fixture
def payment(
    transactional_db: None,
    shop: Shop,
    alice: StripeCustomer,
    once: Price,
    drain: Callable[[], None],
) -> Payment:
    """Its refund takes a feature, and credits that the preview names by their long id."""
    Product.objects.for_project(shop.project).update(credits_amount=50)
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    drain()
    return Payment.objects.for_project(shop.project).get()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_the_preview_shows_all_of_the_future_access(
    page: Page, live_server: LiveServer, payment: Payment, size: ViewportSize
) -> None:
    ensure(username="ada", password=PASSWORD, role=Role.OPERATOR)
    at = reverse("admin:billing_payment_change", args=[quote(payment.pk)])
    page.goto(f"{live_server.url}{at}")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator('a[hx-get$="/refund/"]').click()
    page.set_viewport_size(size)  # on a phone the button is in a menu
    dialog = page.locator("#dialog")
    dialog.locator("[name=reason]").fill("Asked for by mail")
    dialog.get_by_role("button", name="Show what will change").click()
    expect(dialog.get_by_role("columnheader", name="Then")).to_be_visible()
    expect(dialog.get_by_role("row", name="credits of")).to_contain_text("0 to spend")
    hidden = dialog.locator(".tg-scroll").evaluate("box => box.scrollWidth - box.clientWidth")
    assert hidden <= 0
    expect(dialog.get_by_role("button", name=re.compile("Refund 99.00 USD"))).to_be_visible()
    expect(dialog.get_by_role("button", name="Do not refund").last).to_be_visible()
