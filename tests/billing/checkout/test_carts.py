"""``/carts`` fills, changes and sells carts, and each answer is the whole cart."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.checkout import carts
from billing.models import Cart, Price
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import HOME, Json, Tenant
from tests.billing_fixtures import Clock
from tests.factories.projects import key_of

Drain = Callable[[], None]


def usd(amount: int) -> Json:
    return {"amount": amount, "currency": "usd"}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def put(tenant: Tenant, cart: Json, price: Json, **body: Any) -> Any:
    return tenant.api.post(f"/carts/{cart['id']}/items", {"price": price["id"], **body})


def read_cart(tenant: Tenant, cart: Json) -> Json:
    return dict(tenant.api.get(f"/carts/{cart['id']}").json())


@pytest.fixture
def plan(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Pro"), 2900)


@pytest.fixture
def seats(tenant: Tenant) -> Json:
    """Another product of the same interval."""
    return tenant.price(tenant.product("Seats"), 500)


@pytest.fixture
def setup(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Setup"), 9900, interval=None)


def test_lines_are_added_changed_and_removed(
    tenant: Tenant, plan: Json, seats: Json, setup: Json
) -> None:
    cart = tenant.cart(metadata={"order": "17"})
    assert (cart["status"], cart["currency"], cart["subtotal"]) == ("open", None, None)
    assert (cart["lines"], cart["recurring"], cart["metadata"]) == ([], [], {"order": "17"})

    put(tenant, cart, plan)
    put(tenant, cart, seats, quantity=3)
    put(tenant, cart, seats)
    cart = put(tenant, cart, setup, quantity=2).json()
    assert [(line["price"], line["quantity"], line["amount"]) for line in cart["lines"]] == [
        (plan["id"], 1, usd(2900)),
        (seats["id"], 4, usd(2000)),
        (setup["id"], 2, usd(19800)),
    ]
    assert (cart["currency"], cart["subtotal"]) == ("usd", usd(24700))
    assert cart["recurring"] == [{"interval": "month", "interval_count": 1, "amount": usd(4900)}]

    path = f"/carts/{cart['id']}/items"
    first, second, third = (f"{path}/{line['id']}" for line in cart["lines"])
    cart = tenant.api.patch(second, {"quantity": 1}).json()
    assert (cart["subtotal"], cart["recurring"][0]["amount"]) == (usd(23200), usd(3400))
    cheaper = tenant.price({"id": plan["product"]}, 1900)
    assert tenant.api.patch(first, {"price": cheaper["id"], "quantity": 2}).json()["lines"][0][
        "amount"
    ] == usd(3800)
    for each in (first, second):
        assert tenant.api.delete(each).status_code == 200
    assert read_cart(tenant, cart)["recurring"] == []
    cart = tenant.api.delete(third).json()
    assert (cart["currency"], cart["subtotal"], cart["lines"]) == (None, None, [])
    assert tenant.api.delete(third).status_code == 404
    assert tenant.at_stripe("checkout.session") == []


def test_prices_that_cannot_share_a_cart_are_refused(
    tenant: Tenant, plan: Json, setup: Json
) -> None:
    cart = tenant.cart(plan)
    yearly = tenant.price(tenant.product("Y"), interval="year")
    twice = tenant.price({"id": plan["product"]}, 100)
    euro = tenant.price(tenant.product("E"), interval=None, currency="eur")
    for price, status, why in (
        (yearly, 422, "wrong-price-type"),
        (twice, 422, "wrong-price-type"),
        (euro, 422, "mixed-currencies"),
    ):
        assert code(put(tenant, cart, price)) == (status, why)
        lines = [{"price": plan["id"]}, {"price": price["id"]}]
        assert code(tenant.api.post("/carts", {"user_id": "alice", "lines": lines})) == (
            status,
            why,
        )
    assert code(put(tenant, cart, plan, quantity=999_999)) == (422, "invalid")
    assert code(put(tenant, cart, setup, quantity=99_999)) == (422, "amount-too-large")
    line = f"/carts/{cart['id']}/items/{cart['lines'][0]['id']}"
    assert code(tenant.api.patch(line, {"price": setup["id"]})) == (422, "invalid")
    assert read_cart(tenant, cart) == cart
    assert Cart.objects.across_projects().count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": ""},
        {"user_id": "a", "lines": [{}]},
        {"user_id": "a", "lines": [{"price": f"price_{'0' * 26}"}]},
        {"user_id": "a", "lines": [{"price": "p", "quantity": 0}]},
        {"user_id": "a", "expires_in": 59},
        {"user_id": "a", "expires_in": 90 * 86400 + 1},
        {"user_id": "a", "currency": "usd"},
        {"user_id": "a", "metadata": {"a": ""}},
    ],
)
def test_malformed_carts_are_refused(tenant: Tenant, body: Json) -> None:
    assert code(tenant.api.post("/carts", body)) == (422, "invalid")
    assert not Cart.objects.across_projects().exists()


def test_at_most_twenty_lines(tenant: Tenant) -> None:
    prices = [tenant.price(tenant.product(f"{n}"), 100, interval=None) for n in range(21)]
    cart = tenant.cart(*prices[:20])
    assert code(put(tenant, cart, prices[20])) == (422, "invalid")
    assert put(tenant, cart, prices[0]).json()["subtotal"] == usd(2100)


def test_the_query_count_of_lists_is_constant(
    tenant: Tenant, plan: Json, setup: Json, drain: Drain
) -> None:
    tenant.open_cart(tenant.cart(plan, setup))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert tenant.api.get("/carts", query={"limit": "100"}).status_code == 200
        return len(captured)

    queries()
    few = queries()
    for user in "bcdefg":
        tenant.open_cart(tenant.cart(plan, setup, user_id=user))
    tenant.cart(user_id="h")
    assert queries() == few
    assert few <= 12


def test_carts_are_filtered_by_user_and_status(
    tenant: Tenant, neighbour: Tenant, plan: Json, setup: Json, clock: Clock
) -> None:
    neighbour.cart(user_id="alice")
    frozen, over, free = tenant.cart(plan), tenant.cart(setup, expires_in=60), tenant.cart(setup)
    bobs = tenant.cart(user_id="bob")
    tenant.open_cart(frozen)
    clock.advance(seconds=60)

    def listed(**query: str) -> list[str]:
        return [each["id"] for each in tenant.api.get("/carts", query=query).json()["data"]]

    assert listed() == [bobs["id"], free["id"], over["id"], frozen["id"]]
    assert listed(user_id="alice", status="open") == [free["id"]]
    assert (listed(status="frozen"), listed(status="expired")) == ([frozen["id"]], [over["id"]])
    assert listed(status="completed") == []
    assert carts.expire_due(at=timezone.now()) == 1
    assert carts.expire_due(at=timezone.now()) == 0
    assert listed(status="expired") == [over["id"]]


def test_a_cart_expires_to_the_second(tenant: Tenant, setup: Json, clock: Clock) -> None:
    cart = tenant.cart(setup, expires_in=3600)
    clock.advance(seconds=3599)
    assert put(tenant, cart, setup).status_code == 201
    clock.advance(seconds=1)
    assert read_cart(tenant, cart)["status"] == "expired"
    body = {"cart": cart["id"], "success_url": HOME}
    for answer in (put(tenant, cart, setup), tenant.api.post("/checkout/cart", body)):
        assert code(answer) == (409, "cart-closed")
    assert tenant.api.delete(f"/carts/{cart['id']}").status_code == 204
    assert tenant.api.get(f"/carts/{cart['id']}").status_code == 404


def test_a_cart_with_a_subscription_and_items_is_bought_on_one_page(
    tenant: Tenant, project: Project, plan: Json, seats: Json, setup: Json, drain: Drain
) -> None:
    tenant.feature(project, "sso")
    tenant.api.patch(f"/products/{plan['product']}", {"features": [{"feature": "sso"}]})
    tenant.feature(project, "onboarding")
    tenant.api.patch(f"/products/{setup['product']}", {"features": [{"feature": "onboarding"}]})
    cart = tenant.cart(plan, seats, setup)
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
        plan["product"],
        seats["product"],
    ]
    bought = read_cart(tenant, cart)
    assert (bought["status"], bought["checkout"]) == ("completed", page["id"])
    assert bought["completed_at"] == done["completed_at"]
    for answer in (
        put(tenant, cart, setup),
        tenant.api.delete(f"/carts/{cart['id']}"),
        tenant.api.post("/checkout/cart", {"cart": cart["id"], "success_url": HOME}),
    ):
        assert code(answer) == (409, "cart-closed")
    drain()
    assert read_cart(tenant, cart)["status"] == "completed"


def test_a_cart_with_items_only_is_bought(tenant: Tenant, setup: Json, drain: Drain) -> None:
    cart = tenant.cart(setup)
    page = tenant.open_cart(cart)
    assert tenant.at_stripe("checkout.session")[0]["mode"] == "payment"
    assert tenant.pay(page, card="4000000000000002").status == "declined"
    drain()
    assert read_cart(tenant, cart)["status"] == "frozen"
    tenant.pay(page)
    drain()
    assert read_cart(tenant, cart)["status"] == "completed"


def test_a_cart_is_frozen_while_its_page_is_open(
    tenant: Tenant, setup: Json, plan: Json, clock: Clock, drain: Drain
) -> None:
    cart = tenant.cart(setup)
    page = tenant.open_cart(cart)
    frozen = read_cart(tenant, cart)
    assert (frozen["status"], frozen["checkout"]) == ("frozen", page["id"])
    line = f"/carts/{cart['id']}/items/{cart['lines'][0]['id']}"
    for answer in (
        put(tenant, cart, plan),
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
    assert put(tenant, cart, plan).json()["checkout"] is None
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


def test_a_cart_can_change_again_after_stripe_refuses_the_page(tenant: Tenant, setup: Json) -> None:
    cart = tenant.cart(setup)
    tenant.stripe.v1.prices.update(setup["stripe_id"], {"active": False})
    body = {"cart": cart["id"], "success_url": HOME}
    assert code(tenant.api.post("/checkout/cart", body)) == (409, "stripe-refused")
    assert (read_cart(tenant, cart)["status"], read_cart(tenant, cart)["checkout"]) == (
        "open",
        None,
    )


def test_archived_and_changed_prices_are_shown_as_problems(
    tenant: Tenant, setup: Json, plan: Json
) -> None:
    cart = tenant.cart(setup, plan)
    first = cart["lines"][0]["id"]
    body = {"cart": cart["id"], "success_url": HOME}
    tenant.api.patch(f"/prices/{setup['id']}", {"active": False})
    problem = {"code": "archived", "replacement": None, "unit_amount": None}
    assert [each["problem"] for each in read_cart(tenant, cart)["lines"]] == [problem, None]
    refused = tenant.api.post("/checkout/cart", body)
    assert code(refused) == (409, "not-on-sale")
    assert refused.json()["problems"] == [
        {"line": first, "price": setup["id"], "replacement": None}
    ]

    product = {"id": setup["product"]}
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
    tenant.api.patch(f"/products/{setup['product']}", {"active": False})
    assert Price.objects.across_projects().get(pk=new["id"]).active
    assert read_cart(tenant, cart)["lines"][0]["problem"]["code"] == "archived"
    assert tenant.pay(page).status == "complete"  # the page that was open is honoured
    tenant.sync(page)
    assert read_cart(tenant, cart)["lines"][0]["problem"] is None


def test_a_cart_is_checked_out_for_its_own_user_and_project_only(
    tenant: Tenant, neighbour: Tenant, setup: Json
) -> None:
    cart = tenant.cart(setup)
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
def test_parallel_clicks_and_changes(tenant: Tenant, project: Project, plan: Json) -> None:
    """Five clicks on *buy* while five times one more is put in: one page, of what is in it."""
    cart, key = tenant.cart(plan), key_of(project)
    body = {"cart": cart["id"], "success_url": f"{HOME}/thanks"}

    def act(number: int) -> tuple[str, int]:
        try:
            if number % 2:
                answer = ApiClient(key).post("/checkout/cart", body)
                return "buy", answer.status_code
            answer = ApiClient(key).post(f"/carts/{cart['id']}/items", {"price": plan["id"]})
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
