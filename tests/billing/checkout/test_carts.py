"""``/carts`` fills, changes and sells carts, and each answer is the whole cart."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.checkout import carts
from billing.models import Cart
from tests.billing.checkout.cart_calls import Drain, code, put, read_cart, usd
from tests.billing.tenant import HOME, Json, Tenant
from tests.billing_fixtures import Clock


def test_lines_are_added_changed_and_removed(
    tenant: Tenant, cart_plan: Json, cart_seats: Json, cart_setup: Json
) -> None:
    cart = tenant.cart(metadata={"order": "17"})
    assert (cart["status"], cart["currency"], cart["subtotal"]) == ("open", None, None)
    assert (cart["lines"], cart["recurring"], cart["metadata"]) == ([], [], {"order": "17"})

    put(tenant, cart, cart_plan)
    put(tenant, cart, cart_seats, quantity=3)
    put(tenant, cart, cart_seats)
    cart = put(tenant, cart, cart_setup, quantity=2).json()
    assert [(line["price"], line["quantity"], line["amount"]) for line in cart["lines"]] == [
        (cart_plan["id"], 1, usd(2900)),
        (cart_seats["id"], 4, usd(2000)),
        (cart_setup["id"], 2, usd(19800)),
    ]
    assert (cart["currency"], cart["subtotal"]) == ("usd", usd(24700))
    assert cart["recurring"] == [{"interval": "month", "interval_count": 1, "amount": usd(4900)}]

    path = f"/carts/{cart['id']}/items"
    first, second, third = (f"{path}/{line['id']}" for line in cart["lines"])
    cart = tenant.api.patch(second, {"quantity": 1}).json()
    assert (cart["subtotal"], cart["recurring"][0]["amount"]) == (usd(23200), usd(3400))
    cheaper = tenant.price({"id": cart_plan["product"]}, 1900)
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
    tenant: Tenant, cart_plan: Json, cart_setup: Json
) -> None:
    cart = tenant.cart(cart_plan)
    yearly = tenant.price(tenant.product("Y"), interval="year")
    twice = tenant.price({"id": cart_plan["product"]}, 100)
    euro = tenant.price(tenant.product("E"), interval=None, currency="eur")
    for price, status, why in (
        (yearly, 422, "wrong-price-type"),
        (twice, 422, "wrong-price-type"),
        (euro, 422, "mixed-currencies"),
    ):
        assert code(put(tenant, cart, price)) == (status, why)
        lines = [{"price": cart_plan["id"]}, {"price": price["id"]}]
        assert code(tenant.api.post("/carts", {"user_id": "alice", "lines": lines})) == (
            status,
            why,
        )
    assert code(put(tenant, cart, cart_plan, quantity=999_999)) == (422, "invalid")
    assert code(put(tenant, cart, cart_setup, quantity=99_999)) == (422, "amount-too-large")
    line = f"/carts/{cart['id']}/items/{cart['lines'][0]['id']}"
    assert code(tenant.api.patch(line, {"price": cart_setup["id"]})) == (422, "invalid")
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
    tenant: Tenant, cart_plan: Json, cart_setup: Json, drain: Drain
) -> None:
    tenant.open_cart(tenant.cart(cart_plan, cart_setup))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert tenant.api.get("/carts", query={"limit": "100"}).status_code == 200
        return len(captured)

    queries()
    few = queries()
    for user in "bcdefg":
        tenant.open_cart(tenant.cart(cart_plan, cart_setup, user_id=user))
    tenant.cart(user_id="h")
    assert queries() == few
    assert few <= 12


def test_carts_are_filtered_by_user_and_status(
    tenant: Tenant, neighbour: Tenant, cart_plan: Json, cart_setup: Json, clock: Clock
) -> None:
    neighbour.cart(user_id="alice")
    frozen, over, free = (
        tenant.cart(cart_plan),
        tenant.cart(cart_setup, expires_in=60),
        tenant.cart(cart_setup),
    )
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


def test_a_cart_expires_to_the_second(tenant: Tenant, cart_setup: Json, clock: Clock) -> None:
    cart = tenant.cart(cart_setup, expires_in=3600)
    clock.advance(seconds=3599)
    assert put(tenant, cart, cart_setup).status_code == 201
    clock.advance(seconds=1)
    assert read_cart(tenant, cart)["status"] == "expired"
    body = {"cart": cart["id"], "success_url": HOME}
    for answer in (put(tenant, cart, cart_setup), tenant.api.post("/checkout/cart", body)):
        assert code(answer) == (409, "cart-closed")
    assert tenant.api.delete(f"/carts/{cart['id']}").status_code == 204
    assert tenant.api.get(f"/carts/{cart['id']}").status_code == 404
