"""A cart is bought on one page and frozen while it is paid for."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from billing.models import Price
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.checkout.cart_calls import Drain, code, put, read_cart, usd
from tests.billing.tenant import HOME, Json, Tenant
from tests.billing_fixtures import Clock
from tests.factories.projects import key_of


def test_a_cart_with_a_subscription_and_items_is_bought_on_one_page(
    tenant: Tenant,
    project: Project,
    cart_plan: Json,
    cart_seats: Json,
    cart_setup: Json,
    drain: Drain,
) -> None:
    tenant.feature(project, "sso")
    tenant.api.patch(f"/products/{cart_plan['product']}", {"features": [{"feature": "sso"}]})
    tenant.feature(project, "onboarding")
    tenant.api.patch(
        f"/products/{cart_setup['product']}", {"features": [{"feature": "onboarding"}]}
    )
    cart = tenant.cart(cart_plan, cart_seats, cart_setup)
    page = tenant.open_cart(cart, metadata={"a": "b"})
    assert (page["type"], page["cart"], page["detected"]) == ("cart", cart["id"], None)
    (session,) = tenant.at_stripe("checkout.session")
    assert session["mode"] == "subscription"
    assert (page["subtotal"], page["total"]) == (usd(13300), usd(13300))
    assert tenant.pay(page).status == "complete"
    done = tenant.sync(page)
    assert {each["feature"]: each["allowed"] for each in done["entitlements"]} == {
        "sso": True,
        "onboarding": True,
    }
    (subscription,) = tenant.api.get("/subscriptions/alice").json()["data"]
    assert done["subscription"] == subscription["id"]
    assert [each["product"] for each in subscription["items"]] == [
        cart_plan["product"],
        cart_seats["product"],
    ]
    bought = read_cart(tenant, cart)
    assert (bought["status"], bought["checkout"]) == ("completed", page["id"])
    assert bought["completed_at"] == done["completed_at"]
    for answer in (
        put(tenant, cart, cart_setup),
        tenant.api.delete(f"/carts/{cart['id']}"),
        tenant.api.post("/checkout/cart", {"cart": cart["id"], "success_url": HOME}),
    ):
        assert code(answer) == (409, "cart-closed")
    drain()
    assert read_cart(tenant, cart)["status"] == "completed"


def test_a_cart_with_items_only_is_bought(tenant: Tenant, cart_setup: Json, drain: Drain) -> None:
    cart = tenant.cart(cart_setup)
    page = tenant.open_cart(cart)
    assert tenant.at_stripe("checkout.session")[0]["mode"] == "payment"
    assert tenant.pay(page, card="4000000000000002").status == "declined"
    drain()
    assert read_cart(tenant, cart)["status"] == "frozen"
    tenant.pay(page)
    drain()
    assert read_cart(tenant, cart)["status"] == "completed"


def test_a_cart_is_frozen_while_its_page_is_open(
    tenant: Tenant, cart_setup: Json, cart_plan: Json, clock: Clock, drain: Drain
) -> None:
    cart = tenant.cart(cart_setup)
    page = tenant.open_cart(cart)
    frozen = read_cart(tenant, cart)
    assert (frozen["status"], frozen["checkout"]) == ("frozen", page["id"])
    line = f"/carts/{cart['id']}/items/{cart['lines'][0]['id']}"
    for answer in (
        put(tenant, cart, cart_plan),
        tenant.api.patch(line, {"quantity": 2}),
        tenant.api.delete(line),
        tenant.api.delete(f"/carts/{cart['id']}"),
    ):
        assert code(answer) == (409, "cart-frozen")
        assert answer.json()["checkout"] == page["id"]
    assert read_cart(tenant, cart) == frozen

    assert tenant.open_cart(cart)["id"] == page["id"]
    other = tenant.open_cart(cart, metadata={"try": "2"})
    states = {each["id"]: each["status"] for each in tenant.at_stripe("checkout.session")}
    assert states == {page["stripe_id"]: "expired", other["stripe_id"]: "open"}

    tenant.api.post(f"/checkout/{other['id']}/expire")
    assert put(tenant, cart, cart_plan).json()["checkout"] is None
    tenant.open_cart(cart)
    clock.advance(days=2)
    drain()
    assert read_cart(tenant, cart)["status"] == "open"
    assert tenant.api.delete(line).status_code == 200


@pytest.mark.parametrize(
    ("method", "later"), [("pm_sepaDebit_failed", "open"), ("pm_sepaDebit_success", "completed")]
)
def test_a_cart_stays_frozen_while_a_bank_debit_is_processing(
    tenant: Tenant, clock: Clock, drain: Drain, method: str, later: str
) -> None:
    cart = tenant.cart(tenant.price(currency="eur", interval=None))
    page = tenant.open_cart(cart)
    assert tenant.pay(page, card=method).status == "complete"
    drain()
    assert tenant.api.get(f"/checkout/{page['id']}").json()["payment_status"] == "unpaid"
    assert read_cart(tenant, cart)["status"] == "frozen"
    clock.advance(days=7)
    drain()
    assert read_cart(tenant, cart)["status"] == later


def test_a_cart_can_change_again_after_stripe_refuses_the_page(
    tenant: Tenant, cart_setup: Json
) -> None:
    cart = tenant.cart(cart_setup)
    tenant.stripe.v1.prices.update(cart_setup["stripe_id"], {"active": False})
    body = {"cart": cart["id"], "success_url": HOME}
    assert code(tenant.api.post("/checkout/cart", body)) == (409, "stripe-refused")
    assert (read_cart(tenant, cart)["status"], read_cart(tenant, cart)["checkout"]) == (
        "open",
        None,
    )


def test_archived_and_changed_prices_are_shown_as_problems(
    tenant: Tenant, cart_setup: Json, cart_plan: Json
) -> None:
    cart = tenant.cart(cart_setup, cart_plan)
    first = cart["lines"][0]["id"]
    body = {"cart": cart["id"], "success_url": HOME}
    tenant.api.patch(f"/prices/{cart_setup['id']}", {"active": False})
    problem = {"code": "archived", "replacement": None, "unit_amount": None}
    assert [each["problem"] for each in read_cart(tenant, cart)["lines"]] == [problem, None]
    refused = tenant.api.post("/checkout/cart", body)
    assert code(refused) == (409, "not-on-sale")
    assert refused.json()["problems"] == [
        {"line": first, "price": cart_setup["id"], "replacement": None}
    ]

    product = {"id": cart_setup["product"]}
    tenant.price(product, 5000, interval=None, currency="eur")
    tenant.price(product, 5000)
    new = tenant.price(product, 10900, interval=None)
    assert read_cart(tenant, cart)["lines"][0]["problem"] == {
        "code": "price_changed",
        "replacement": new["id"],
        "unit_amount": usd(10900),
    }
    refused = tenant.api.post("/checkout/cart", body)
    assert code(refused) == (409, "price-changed")
    assert refused.json()["problems"][0]["replacement"] == new["id"]
    assert put(tenant, cart, tenant.price(interval=None)).status_code == 201

    fixed = tenant.api.patch(f"/carts/{cart['id']}/items/{first}", {"price": new["id"]}).json()
    assert (fixed["lines"][0]["problem"], fixed["lines"][0]["amount"]) == (None, usd(10900))
    page = tenant.open_cart(cart)
    tenant.api.patch(f"/products/{cart_setup['product']}", {"active": False})
    assert Price.objects.across_projects().get(pk=new["id"]).active
    assert read_cart(tenant, cart)["lines"][0]["problem"]["code"] == "archived"
    assert tenant.pay(page).status == "complete"  # the page that was open is honoured
    tenant.sync(page)
    assert read_cart(tenant, cart)["lines"][0]["problem"] is None


def test_a_cart_is_checked_out_for_its_own_user_and_project_only(
    tenant: Tenant, neighbour: Tenant, cart_setup: Json
) -> None:
    cart = tenant.cart(cart_setup)
    body = {"cart": cart["id"], "success_url": HOME}
    assert code(tenant.api.post("/checkout", {**body, "user_id": "bob"})) == (422, "invalid")
    assert code(neighbour.api.post("/checkout/cart", body)) == (404, "not-found")
    assert code(tenant.api.post("/checkout/cart", {**body, "cart": tenant.cart()["id"]})) == (
        409,
        "cart-empty",
    )
    assert tenant.api.post("/checkout", {**body, "user_id": "alice"}).status_code == 201
    assert len(tenant.at_stripe("checkout.session")) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_clicks_and_changes(tenant: Tenant, project: Project, cart_plan: Json) -> None:
    """Five clicks on *buy* while five times one more is put in: one page, of what is in it."""
    cart, key = tenant.cart(cart_plan), key_of(project)
    body = {"cart": cart["id"], "success_url": f"{HOME}/thanks"}

    def act(number: int) -> tuple[str, int]:
        try:
            if number % 2:
                answer = ApiClient(key).post("/checkout/cart", body)
                return "buy", answer.status_code
            answer = ApiClient(key).post(f"/carts/{cart['id']}/items", {"price": cart_plan["id"]})
            return "add", answer.status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(act, range(10)))
    assert {status for what, status in answers if what == "buy"} <= {201, 503}
    assert {status for what, status in answers if what == "add"} <= {201, 409}
    tenant.open_cart(cart)
    (session,) = tenant.at_stripe("checkout.session")
    held = read_cart(tenant, cart)
    assert held["lines"][0]["quantity"] == 1 + answers.count(("add", 201))
    assert session["amount_total"] == held["subtotal"]["amount"]
