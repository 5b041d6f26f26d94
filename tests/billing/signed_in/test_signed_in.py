"""``/billing/*`` shows signed-in users their own billing and lets them change it."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import StripeIntent, Subscription
from events.models import AuditEntry
from projects.models import Project
from tests.api_client import ApiClient
from tests.architecture.routes import ROUTES, SIGNED_IN
from tests.billing.tenant import HOME, Tenant
from tests.factories.projects import key_of
from tests.projects.sign_in.tokens import Browser, signed

THANKS = {"success_url": f"{HOME}/thanks"}

EVERYTHING = [(route.method, route.path) for route in SIGNED_IN]


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
    body = alice.patch("/billing/subscription", {"undo_scheduled_change": True}).json()
    assert body["scheduled_change"] is None

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
    alices_subscription = alice.get("/billing/subscription").json()
    rows = Subscription.objects.for_project(project)
    before = [*rows.values_list("pk", "status", "cancel_at", "updated_at")]
    intents = StripeIntent.objects.for_project(project).count()
    for sub in ("bob", "ALICE", "alice ", alices_subscription["customer"], "alic", "alice\u200b"):
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
            assert alices_subscription["id"] not in text
            assert alices_subscription["stripe_id"] not in text
        if listed[0].status_code == 200:
            assert listed[0].json()["data"] == []
            assert not any(each["allowed"] for each in listed[1].json()["limits"])
    for query in ({"user_id": "alice"}, {"customer": alices_subscription["customer"]}):
        bob = Browser(project, "bob")
        for method, path in EVERYTHING:
            answer = bob.request(method, path, None if method == "GET" else {}, query=query)
            assert answer.status_code == 422, (method, path)
    bodies = ({"user_id": "alice"}, {"customer": alices_subscription["customer"]})
    for path in ("/billing/subscription", "/billing/portal"):
        for body in bodies:
            request_body = {**body, "price": plans[0]["id"], **THANKS} if "sub" in path else body
            assert Browser(project, "bob").post(path, request_body).status_code == 422
    assert [*rows.values_list("pk", "status", "cancel_at", "updated_at")] == before
    assert StripeIntent.objects.for_project(project).count() == intents


def test_each_kind_of_credential_opens_its_own_routes(
    alice: Browser, project: Project, other_project: Project, other_api: ApiClient
) -> None:
    secret = key_of(project)
    named = {"Tollgate-Project": project.pk}
    refusals: dict[str, set[Any]] = {}
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
            refusals.setdefault(name, set()).add((answer.status_code, answer.json()["code"]))
    assert refusals == {
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
