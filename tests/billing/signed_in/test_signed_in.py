"""``/billing/*`` shows signed-in users their own billing and lets them change it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Checkout, StripeIntent, Subscription
from events.models import AuditEntry, OutboxEvent
from projects.models import IdempotencyKey, Project
from tests.api_client import ApiClient
from tests.architecture.routes import ROUTES, SIGNED_IN
from tests.billing.tenant import HOME, Tenant
from tests.factories.entitlements import LimitFactory
from tests.factories.projects import key_of
from tests.projects.sign_in.tokens import Browser, sign_in, signed

THANKS = {"success_url": f"{HOME}/thanks"}
EVERYTHING = [(route.method, route.path) for route in SIGNED_IN]


@pytest.fixture
def plans(tenant: Tenant, api: ApiClient, project: Project) -> list[dict[str, Any]]:
    """Pro at 29 with five agents, Team at 99."""
    LimitFactory.create(project=project, code="agents", name="Agents", unit="agents")
    sign_in(api, project)
    pro = tenant.product("Pro", features=[{"feature": "agents", "value": 5}])
    return [tenant.price(pro), tenant.price(tenant.product("Team"), 9900)]


@pytest.fixture
def alice(project: Project, plans: list[dict[str, Any]]) -> Browser:
    return Browser(project)


def test_a_user_lives_a_whole_subscription(
    tenant: Tenant,
    alice: Browser,
    plans: list[dict[str, Any]],
    project: Project,
    drain: Callable[[], None],
) -> None:
    assert [each["name"] for each in alice.get("/billing/plans").json()["data"]] == ["Team", "Pro"]
    assert alice.get("/billing/subscription").status_code == 404
    assert alice.get("/billing/invoices").json()["data"] == []
    usage = alice.get("/billing/usage").json()
    [limit] = usage["limits"]
    assert (limit["kind"], limit["allowed"], limit["limit"], limit["cost"]) == (
        "limit",
        False,
        0,
        None,
    )
    assert usage["credits"] == {"balance": 0}

    pro, team = plans
    opened = alice.post("/billing/subscription", {"price": pro["id"], **THANKS})
    assert opened.status_code == 201, opened.content
    checkout = opened.json()
    assert (checkout["user_id"], checkout["type"]) == ("alice", "subscription")
    assert tenant.pay(checkout).status == "complete"
    drain()

    mine = alice.get("/billing/subscription").json()
    assert (mine["user_id"], mine["status"]) == ("alice", "active")
    [invoice] = alice.get("/billing/invoices").json()["data"]
    assert (invoice["user_id"], invoice["amount_paid"]["amount"]) == ("alice", 2900)
    [limit] = alice.get("/billing/usage").json()["limits"]
    assert limit | {"allowed": True, "limit": 5, "used": None, "resets_at": None} == limit

    again = alice.post("/billing/subscription", {"price": pro["id"], **THANKS})
    assert (again.status_code, again.json()["code"]) == (409, "already-subscribed")

    changed = alice.patch("/billing/subscription", {"price": team["id"]})
    assert changed.status_code == 200, changed.content
    assert [each["price"] for each in changed.json()["items"]] == [team["id"]]
    assert changed.json()["bill"]["amount_due"]["amount"] > 0

    down = alice.patch("/billing/subscription", {"price": pro["id"]}).json()
    assert down["scheduled_change"]["items"][0]["price"] == pro["id"]
    kept = alice.patch("/billing/subscription", {"undo_scheduled_change": True}).json()
    assert kept["scheduled_change"] is None

    ending = alice.delete("/billing/subscription").json()
    assert ending["cancel_at"] is not None
    back = alice.patch("/billing/subscription", {"cancel_at_period_end": False}).json()
    assert back["cancel_at"] is None
    drain()
    assert alice.patch("/billing/subscription", {"cancel_at_period_end": True}).json()["cancel_at"]

    portal = alice.post("/billing/portal", {"return_url": f"{HOME}/account"})
    assert portal.status_code == 201
    assert portal.json()["url"].startswith("http")
    actors = AuditEntry.objects.filter(subject__startswith="sub_").values_list("actor", flat=True)
    assert set(actors) == {"user"}


def test_a_user_types_promotion_codes_and_names_no_coupons(
    tenant: Tenant, alice: Browser, plans: list[dict[str, Any]]
) -> None:
    """A coupon's id is no secret: it stands in the answers of whoever has its discount."""
    tenant.sell(plans[0], "alice")
    gift = tenant.api.post("/coupons", {"percent_off": 100, "duration": "forever"}).json()
    before = alice.get("/billing/subscription").json()
    answer = alice.patch("/billing/subscription", {"promotion_code": gift["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert alice.get("/billing/subscription").json() == before


def test_a_user_never_sees_another_users_data(
    tenant: Tenant,
    alice: Browser,
    plans: list[dict[str, Any]],
    project: Project,
    drain: Callable[[], None],
) -> None:
    tenant.sell(plans[0], "alice")
    drain()
    theirs = alice.get("/billing/subscription").json()
    rows = Subscription.objects.for_project(project)
    before = [*rows.values_list("pk", "status", "cancel_at", "updated_at")]
    intents = StripeIntent.objects.for_project(project).count()
    for sub in ("bob", "ALICE", "alice ", theirs["customer"], "alic", "alice\u200b"):
        other = Browser(project, sub)
        product = {"product": plans[0]["product"]}
        answers = [
            other.get("/billing/subscription"),
            other.get("/billing/subscription", query=product),
            other.patch("/billing/subscription", {"cancel_at_period_end": True}, query=product),
            other.delete("/billing/subscription", query=product),
            other.delete("/billing/subscription"),
            other.post("/billing/portal"),
            other.post("/billing/portal", {"flow": {"type": "subscription_cancel", **product}}),
        ]
        assert {each.status_code for each in answers} <= {401, 404, 409}
        listed = [other.get("/billing/invoices"), other.get("/billing/usage")]
        for answer in [*answers, *listed]:
            text = answer.content.decode()
            assert theirs["id"] not in text
            assert theirs["stripe_id"] not in text
        if listed[0].status_code == 200:
            assert listed[0].json()["data"] == []
            assert not any(each["allowed"] for each in listed[1].json()["limits"])
    for query in ({"user_id": "alice"}, {"customer": theirs["customer"]}):
        bob = Browser(project, "bob")
        for method, path in EVERYTHING:
            answer = bob.request(method, path, None if method == "GET" else {}, query=query)
            assert answer.status_code == 422, (method, path)
    bodies = ({"user_id": "alice"}, {"customer": theirs["customer"]})
    for path in ("/billing/subscription", "/billing/portal"):
        for body in bodies:
            said = {**body, "price": plans[0]["id"], **THANKS} if "sub" in path else body
            assert Browser(project, "bob").post(path, said).status_code == 422
    assert [*rows.values_list("pk", "status", "cancel_at", "updated_at")] == before
    assert StripeIntent.objects.for_project(project).count() == intents


def test_each_kind_of_credential_opens_its_own_routes(
    alice: Browser, project: Project, other_project: Project, other_api: ApiClient
) -> None:
    secret = key_of(project)
    named = {"Tollgate-Project": project.pk}
    told: dict[str, set[Any]] = {}
    for method, path in EVERYTHING:
        for name, client, headers in (
            ("none", ApiClient(), named),
            ("secret key", ApiClient(secret), named),
            ("no project", ApiClient(signed()), {}),
            ("other project", ApiClient(signed()), {"Tollgate-Project": other_project.pk}),
            ("forged", ApiClient(signed(secret="x" * 64)), named),
            ("expired", ApiClient(signed(exp=1)), named),
            ("basic", ApiClient(), {**named, "Authorization": f"Basic {signed()}"}),
        ):
            body: Any = None if method == "GET" else {}
            answer = client.request(method, path, body, headers=headers)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), path
            told.setdefault(name, set()).add((answer.status_code, answer.json()["code"]))
    assert told == {
        "none": {(401, "token-required")},
        "secret key": {(401, "token-malformed")},
        "no project": {(401, "project-header-required")},
        "other project": {(401, "project-header-required")},
        "forged": {(401, "token-unverified")},
        "expired": {(401, "token-expired")},
        "basic": {(401, "token-required")},
    }
    for route in ROUTES:
        answer = alice.request(route.method, route.path.replace("{", "").replace("}", ""))
        assert answer.status_code in (401, 404), route
    project.suspended_at = timezone.now()
    project.save()
    assert alice.get("/billing/plans").json()["code"] == "project-header-required"


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
    shown = alice.get("/billing/subscription", query=team).json()
    assert shown["items"][0]["price"] == plans[1]["id"]
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


def test_reads_have_a_fixed_number_of_queries(
    tenant: Tenant, alice: Browser, plans: list[dict[str, Any]], drain: Callable[[], None]
) -> None:
    tenant.sell(plans[0])
    drain()
    counts = {}
    for path in ("plans", "subscription", "invoices", "usage"):
        with CaptureQueriesContext(connection) as queries:
            assert alice.get(f"/billing/{path}").status_code == 200
        counts[path] = len(queries)
    assert {path: count for path, count in counts.items() if count > 7} == {}, counts


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
    asked = [
        alice.patch("/billing/subscription", {"quantity": 3}),
        alice.patch("/billing/subscription", {"cancel_at_period_end": True}),
        alice.delete("/billing/subscription"),
    ]
    assert [each.json()["code"] for each in asked] == ["change-not-allowed"] * 3
    assert alice.get("/billing/subscription").json()["cancel_at"] is None

    api.patch("/portal/configuration", {"plan_changes": True, "products": []})
    now = alice.patch("/billing/subscription", {"price": yearly["id"], "when": "now"})
    assert now.status_code == 200, now.content
    back = alice.patch("/billing/subscription", {"price": pro["id"], "when": "now"})
    assert (back.status_code, back.json()["code"]) == (409, "change-not-allowed")
