"""Signed-in users buy and change what the project offers, on its terms."""

from collections.abc import Callable
from typing import Any

from billing.models import Checkout
from events.models import OutboxEvent
from projects.models import IdempotencyKey, Project
from tests.api_client import ApiClient
from tests.billing.tenant import HOME, Tenant
from tests.projects.sign_in.tokens import Browser, signed

THANKS = {"success_url": f"{HOME}/thanks"}


def test_with_several_subscriptions_the_product_is_named(
    tenant: Tenant,
    alice: Browser,
    plans: list[dict[str, Any]],
    drain: Callable[[], None],
) -> None:
    for price in plans:
        tenant.sell(price)
    drain()
    for answer in (
        alice.get("/billing/subscription"),
        alice.patch("/billing/subscription", {"quantity": 2}),
        alice.delete("/billing/subscription"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous-subscription")
        assert sorted(answer.json()["products"]) == sorted(each["product"] for each in plans)
    team = {"product": plans[1]["product"]}
    body = alice.get("/billing/subscription", query=team).json()
    assert body["items"][0]["price"] == plans[1]["id"]
    assert alice.delete("/billing/subscription", query=team).json()["cancel_at"]
    other = alice.get("/billing/subscription", query={"product": plans[0]["product"]}).json()
    assert other["cancel_at"] is None


def test_a_user_buys_what_is_offered_to_everybody_and_on_the_usual_terms(
    tenant: Tenant,
    neighbour: Tenant,
    alice: Browser,
    plans: list[dict[str, Any]],
    project: Project,
    drain: Callable[[], None],
) -> None:
    agreed = tenant.price(tenant.product("Enterprise", custom_price=True), 1)
    once = tenant.price(amount=100, interval=None)
    gone = tenant.price(amount=100)
    tenant.api.patch(f"/prices/{gone['id']}", {"active": False})
    foreign = neighbour.price()
    hidden = [each["id"] for each in (agreed, once, gone, foreign)]
    tenant.sell(plans[0])
    drain()
    team = {"price": plans[1]["id"]}
    before = OutboxEvent.objects.for_project(project).count()
    for price in hidden:
        assert alice.post("/billing/subscription", {"price": price, **THANKS}).status_code == 404
        assert alice.patch("/billing/subscription", {"price": price}).status_code == 404
        flow = {"type": "subscription_update_confirm", "product": plans[0]["product"]}
        body = {"flow": {**flow, "price": price}}
        assert alice.post("/billing/portal", body).status_code == 404
    orders: list[dict[str, Any]] = [
        {"trial_period_days": 30}, {"coupon": "cpn_" + "0" * 26}, {"metadata": {"a": "b"}},
        {"success_url": "https://evil.example/"}, {"quantity": 0}, {"automatic_tax": False},
    ]  # fmt: skip
    for more in orders:
        assert alice.post("/billing/subscription", {**team, **THANKS, **more}).status_code == 422
    changes: list[dict[str, Any]] = [
        {}, {"when": "now"}, {"proration": "none"}, {"trial_end": "now"}, {"discounts": []},
        {"proration_date": "2026-01-01T00:00:00Z"}, {"undo_scheduled_change": False},
        {"cancel_at_period_end": True, "quantity": 2}, {"addons": []},
    ]  # fmt: skip
    for more in changes:
        assert alice.patch("/billing/subscription", more).status_code == 422, more
    assert OutboxEvent.objects.for_project(project).count() == before


def test_an_idempotency_key_is_the_users_own(
    alice: Browser, plans: list[dict[str, Any]], project: Project, api: ApiClient
) -> None:
    key, body = {"Idempotency-Key": "k1"}, {"price": plans[0]["id"], **THANKS}
    first = alice.post("/billing/subscription", body, headers=key)
    assert first.status_code == 201
    again = alice.post("/billing/subscription", body, headers=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    later = Browser(project, token=signed(jti="refreshed"))
    assert later.post("/billing/subscription", body, headers=key).content == first.content
    bob = Browser(project, "bob").post("/billing/subscription", body, headers=key)
    assert (bob.status_code, bob.json()["user_id"]) == (201, "bob")
    reused = alice.post("/billing/subscription", {**body, "quantity": 2}, headers=key)
    assert reused.json()["code"] == "idempotency-key-reused"
    tenants = api.post("/products", {"name": "X"}, headers=key)
    assert tenants.status_code == 201, "and not the back end's"
    assert Checkout.objects.for_project(project).count() == 2
    kept = IdempotencyKey.objects.for_project(project).values_list("key", flat=True)
    assert not any("alice" in each or "bob" in each for each in kept)


def test_a_user_changes_what_the_portal_would_let_them_change(
    tenant: Tenant, alice: Browser, plans: list[dict[str, Any]], api: ApiClient
) -> None:
    """No downgrade and no shorter interval now, nothing that the portal's settings rule out."""
    pro, team = plans
    yearly = tenant.price({"id": pro["product"]}, 29_000, interval="year")
    tenant.sell(team)
    with tenant.stripe.unchanged():
        for body in ({"price": pro["id"]}, {"quantity": 1, "price": pro["id"]}):
            refused = alice.patch("/billing/subscription", {**body, "when": "now"})
            assert (refused.status_code, refused.json()["code"]) == (409, "change-not-allowed")
    waits = alice.patch("/billing/subscription", {"price": pro["id"]}).json()
    assert waits["scheduled_change"]["items"][0]["price"] == pro["id"]
    alice.patch("/billing/subscription", {"undo_scheduled_change": True})

    api.patch("/portal/configuration", {"products": [team["product"]]})
    for price in (pro, yearly):
        other = alice.patch("/billing/subscription", {"price": price["id"]})
        assert (other.status_code, other.json()["code"]) == (409, "change-not-allowed")
    assert alice.patch("/billing/subscription", {"quantity": 2}).status_code == 200

    api.patch("/portal/configuration", {"plan_changes": False, "cancellation": "never"})
    answers = [
        alice.patch("/billing/subscription", {"quantity": 3}),
        alice.patch("/billing/subscription", {"cancel_at_period_end": True}),
        alice.delete("/billing/subscription"),
    ]
    assert [each.json()["code"] for each in answers] == ["change-not-allowed"] * 3
    assert alice.get("/billing/subscription").json()["cancel_at"] is None

    api.patch("/portal/configuration", {"plan_changes": True, "products": []})
    now = alice.patch("/billing/subscription", {"price": yearly["id"], "when": "now"})
    assert now.status_code == 200, now.content
    back = alice.patch("/billing/subscription", {"price": pro["id"], "when": "now"})
    assert (back.status_code, back.json()["code"]) == (409, "change-not-allowed")
