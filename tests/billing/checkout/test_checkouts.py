"""``/checkout`` opens a page whose payment changes mirror and entitlements."""

from collections.abc import Callable

import pytest

from billing.models import Checkout
from entitlements.models import Fact
from projects.models import Project
from sandbox import engine
from tests.billing.tenant import HOME, Tenant, order

Drain = Callable[[], None]


def test_the_page_and_our_row_agree(tenant: Tenant) -> None:
    price = tenant.price()
    checkout = tenant.open(
        price,
        quantity=3,
        success_url=f"{HOME}/thanks?checkout={{CHECKOUT_ID}}&session={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{HOME}/plans",
        trial_period_days=14,
        save_payment_method=True,
        metadata={"campaign": "spring"},
        email="alice@example.com",
        name="Alice",
    )
    (session,) = tenant.at_stripe("checkout.session")
    assert (checkout["type"], checkout["status"], checkout["url"]) == (
        "subscription",
        "open",
        session["url"],
    )
    assert checkout["lines"] == [
        {
            "id": checkout["lines"][0]["id"],
            "price": price["id"],
            "product": price["product"],
            "quantity": 3,
            "total": None,
            "refunded": {"amount": 0, "currency": "usd"},
            "fulfilled_at": None,
            "revoked_at": None,
        }
    ]
    assert checkout["success_url"] == (
        f"{HOME}/thanks?checkout={checkout['id']}&session={{CHECKOUT_SESSION_ID}}"
    )
    assert session["success_url"] == checkout["success_url"]
    assert session["client_reference_id"] == checkout["id"]
    assert session["metadata"] == {"campaign": "spring", "tollgate_id": checkout["id"]}
    (customer,) = tenant.at_stripe("customer")
    assert (customer["email"], customer["name"]) == ("alice@example.com", "Alice")
    assert session["customer"] == customer["id"]
    assert tenant.api.get(f"/checkout/{checkout['id']}").json() == checkout


def test_a_subscription_is_paid_and_entitles_on_return(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "sso")
    product = tenant.product(features=[{"feature": "sso"}])
    opened = tenant.open(tenant.price(product))
    assert tenant.sync(opened)["entitlements"][0]["allowed"] is False
    tenant.pay(opened)
    synced = tenant.sync(opened)
    assert (synced["status"], synced["payment_status"]) == ("complete", "paid")
    assert synced["completed_at"] is not None
    (decision,) = synced["entitlements"]
    assert (decision["feature"], decision["allowed"], decision["reason"]) == (
        "sso",
        True,
        "entitled",
    )
    (subscription,) = tenant.api.get("/subscriptions/alice").json()["data"]
    assert subscription["stripe_id"] == synced["subscription_stripe_id"]
    (at_stripe,) = tenant.at_stripe("subscription")
    assert at_stripe["metadata"] == {"tollgate_id": opened["id"]}


def test_the_webhooks_after_the_return_change_nothing(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    tenant.feature(project, "sso")
    product = tenant.product(features=[{"feature": "sso"}])
    synced = tenant.sell(tenant.price(product))
    facts = Fact.objects.for_project(project).count()
    drain()
    again = tenant.sync(synced)
    assert Fact.objects.for_project(project).count() == facts
    for answer in (again, synced):
        answer["entitlements"][0].pop("version")  # it grows with the invoice that has come
    assert again == synced


def test_an_item_is_paid_once_and_kept(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "export")
    product = tenant.product("Export", features=[{"feature": "export"}])
    synced = tenant.sell(tenant.price(product, amount=9900, interval=None))
    assert (synced["type"], synced["status"]) == ("item", "complete")
    assert synced["total"] == {"amount": 9900, "currency": "usd"}
    payment = tenant.api.get(f"/payments/{synced['payment']}").json()
    assert (payment["status"], payment["checkout"]) == ("paid", synced["id"])
    assert payment["amount_received"] == {"amount": 9900, "currency": "usd"}
    assert payment["stripe_id"] == synced["payment_stripe_id"]
    assert synced["entitlements"][0]["allowed"] is True


def test_a_declined_card_leaves_the_page_open(tenant: Tenant) -> None:
    opened = tenant.open(tenant.price(interval=None))
    assert tenant.pay(opened, card="4000000000000002").status == "declined"
    synced = tenant.sync(opened)
    assert (synced["status"], synced["payment_status"]) == ("open", "unpaid")


def test_several_lines_on_one_page(tenant: Tenant) -> None:
    first = tenant.price(tenant.product("A"), interval=None, amount=500)
    second = tenant.price(tenant.product("B"), interval=None, amount=700)
    lines = [{"price": first["id"], "quantity": 2}, {"price": second["id"]}]
    body = {"user_id": "alice", "lines": lines, "success_url": HOME}
    response_body = tenant.api.post("/checkout/item", body).json()
    assert response_body["total"] == {"amount": 1700, "currency": "usd"}
    assert [(line["price"], line["quantity"]) for line in response_body["lines"]] == [
        (first["id"], 2),
        (second["id"], 1),
    ]


def test_expired_pages_take_no_money(tenant: Tenant) -> None:
    opened = tenant.open(tenant.price())
    closed = tenant.api.post(f"/checkout/{opened['id']}/expire")
    assert (closed.status_code, closed.json()["status"]) == (200, "expired")
    again = tenant.api.post(f"/checkout/{opened['id']}/expire")
    assert (again.status_code, again.json()["code"]) == (409, "checkout-not-open")


def test_a_paid_page_is_not_expired(tenant: Tenant) -> None:
    opened = tenant.open(tenant.price())
    tenant.pay(opened)
    refused = tenant.api.post(f"/checkout/{opened['id']}/expire")
    assert (refused.status_code, refused.json()["code"]) == (409, "checkout-not-open")
    assert tenant.api.get(f"/checkout/{opened['id']}").json()["status"] == "complete"


def test_one_customer_at_stripe_however_many_checkouts(tenant: Tenant) -> None:
    price = tenant.price(interval=None)
    first, second = tenant.open(price), tenant.open(price)
    assert first["id"] != second["id"]
    assert first["customer"] == second["customer"]
    assert len(tenant.at_stripe("customer")) == 1


def test_a_customer_deleted_at_stripe_is_made_anew(
    tenant: Tenant, drain: Drain, project: Project
) -> None:
    price = tenant.price(interval=None)
    tenant.open(price)
    (customer,) = tenant.at_stripe("customer")
    tenant.stripe.v1.customers.delete(customer["id"])
    away = tenant.api.post("/checkout", order(price))
    assert (away.status_code, away.json()["code"]) == (503, "stripe-unavailable")
    assert away.headers["Retry-After"] == "2"
    drain()
    assert tenant.open(price)["status"] == "open"


def test_a_neighbours_checkout_is_not_found(tenant: Tenant, neighbour: Tenant) -> None:
    neighbours_checkout = neighbour.open(neighbour.price())
    path = f"/checkout/{neighbours_checkout['id']}"
    for response in (
        tenant.api.get(path),
        tenant.api.post(f"{path}/sync"),
        tenant.api.post(f"{path}/expire"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert neighbour.api.get(path).json() == neighbours_checkout


@pytest.mark.parametrize("word", ["paused_by_bank", "x" * 16])
def test_a_status_that_we_do_not_know_is_shown_as_it_is(tenant: Tenant, word: str) -> None:
    opened = tenant.open(tenant.price())
    with tenant.stripe.world.transaction() as tx:
        tx.path_object("checkout.session", opened["stripe_id"])["status"] = word
    assert tenant.sync(opened)["status"] == word
    assert Checkout.objects.across_projects().get().is_fulfilled is False


@pytest.mark.parametrize("expires_in", [None, 3600, 82_800])
def test_a_page_opens_although_stripes_clock_was_moved_forward(
    tenant: Tenant, expires_in: int | None
) -> None:
    """Of test mode: what Stripe bounds is told by Stripe's clock, which ours knows nothing of."""
    price = tenant.price()
    engine.advance(tenant.stripe.world, tenant.stripe.world.clock.now() + 40 * 86400)
    tenant.stripe.v1.customers.list()
    body = order(price) | ({"expires_in": expires_in} if expires_in else {})
    response = tenant.api.post("/checkout", body)
    assert response.status_code == 201, response.content
    (session,) = tenant.at_stripe("checkout.session")
    left = session["expires_at"] - tenant.stripe.world.clock.now()
    assert abs(left - (expires_in or 86400)) < 600


def test_a_checkout_is_found_by_stripes_session_id(tenant: Tenant, neighbour: Tenant) -> None:
    """``{CHECKOUT_SESSION_ID}`` in the address becomes ``cs_…``; a neighbour's is not there."""
    checkout = tenant.open(tenant.price())
    tenant.pay(checkout)
    stripe_id = checkout["stripe_id"]
    assert stripe_id.startswith("cs_")
    assert tenant.api.get(f"/checkout/{stripe_id}").json()["id"] == checkout["id"]
    synced = tenant.api.post(f"/checkout/{stripe_id}/sync").json()
    assert (synced["id"], synced["status"]) == (checkout["id"], "complete")
    for response in (
        neighbour.api.get(f"/checkout/{stripe_id}"),
        neighbour.api.post(f"/checkout/{stripe_id}/sync"),
        tenant.api.get("/checkout/cs_test_nobodys"),
        tenant.api.post(f"/checkout/{stripe_id}/expire"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not-found")


def test_the_address_that_the_buyer_types_reaches_the_customer(
    tenant: Tenant, drain: Drain
) -> None:
    """Where the project has said none."""
    price = tenant.price(interval=None)
    tenant.sell(price, "ada")
    tenant.sell(price, "bob", email="bob@example.com")
    drain()
    shown = {user: tenant.api.get(f"/customers/{user}").json()["email"] for user in ("ada", "bob")}
    assert shown == {"ada": "buyer@example.com", "bob": "bob@example.com"}
    assert tenant.api.patch("/customers/ada", {"email": ""}).status_code == 200
    drain()
    assert tenant.api.get("/customers/ada").json()["email"] == ""


def test_our_customer_id_is_accepted_wherever_a_user_id_is(
    tenant: Tenant, neighbour: Tenant
) -> None:
    """In filters and paths alike; and a subscription's own id stands for its product."""
    product = tenant.product()
    price = tenant.price(product)
    tenant.sell(price)
    tenant.cart(price, user_id="alice")
    ours = tenant.api.get("/customers/alice").json()["id"]
    for path in ("/payments", "/invoices", "/carts"):
        assert len(tenant.api.get(path, query={"user_id": ours}).json()["data"]) == 1, path
        assert neighbour.api.get(path, query={"user_id": ours}).json()["data"] == []
    assert len(tenant.api.get(f"/subscriptions/{ours}").json()["data"]) == 1
    [subscription] = tenant.api.get("/subscriptions/alice").json()["data"]
    path = f"/subscriptions/{ours}/{subscription['id']}"
    assert (
        tenant.api.get(path).json()
        == tenant.api.get(f"/subscriptions/alice/{product['id']}").json()
    )
    seen = tenant.api.post(f"{path}/preview", {"quantity": 2})
    assert (seen.status_code, seen.json()["items"][0]["quantity"]) == (200, 2)
    tenant.api.post("/customers", {"user_id": "bob"})
    for response in (
        tenant.api.get(f"/subscriptions/bob/{subscription['id']}"),
        neighbour.api.get(f"/subscriptions/alice/{subscription['id']}"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
