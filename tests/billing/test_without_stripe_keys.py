"""Without a Stripe key what needs no Stripe works, and the rest is refused with what to do."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing.models import Checkout, Payment, Price, Product
from billing.outbound import selectors as intents
from billing.outbound.selectors import OpenIntents
from billing.stripe.client import use_transport
from common import redis
from entitlements.models import Feature
from projects.models import Project
from sandbox import accounts
from tests.api_client import ApiClient
from tests.billing.tenant import HOME, Tenant
from tests.billing_fixtures import SandboxStripe

AMOUNT = {"amount": 2900, "currency": "usd"}


class NoNetwork:
    """A transport that fails the test when a request is sent."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called without a key")


@pytest.fixture
def price(tenant: Tenant, project: Project) -> dict[str, Any]:
    """On sale since the time when there was a key."""
    tenant.feature(project, code="sso")
    return tenant.price(tenant.product("Pro", features=[{"feature": "sso", "value": True}]))


@pytest.fixture
def without_key(price: dict[str, Any], stripe: Any, settings: Settings) -> None:
    settings.BILLING = replace(
        settings.BILLING, stripe_secret_key="", stripe_webhook_secrets=(), stripe_publishable_key=""
    )
    use_transport(NoNetwork())  # type: ignore[arg-type]


def rows_at_stripe() -> list[int]:
    """How many rows of each kind name an object at Stripe."""
    models = (Checkout, Payment, Product, Price)
    return [
        model.objects.across_projects().filter(stripe_id__isnull=False).count() for model in models
    ]


def requests_that_need_stripe(price: str) -> list[tuple[str, str, dict[str, Any]]]:
    sale = {"user_id": "alice", "price": price, "success_url": f"{HOME}/thanks"}
    return [
        ("POST", "/checkout", sale),
        ("POST", "/checkout/subscription", sale),
        ("POST", "/payments", {"user_id": "alice", "amount": AMOUNT}),
        ("POST", "/products", {"name": "More"}),
        ("POST", "/coupons", {"percent_off": "10"}),
    ]


@pytest.mark.usefixtures("without_key")
def test_what_needs_stripe_is_refused_with_what_to_do(
    api: ApiClient, price: dict[str, Any]
) -> None:
    before = rows_at_stripe()
    for method, path, body in requests_that_need_stripe(price["id"]):
        answer = api.request(method, path, body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "stripe-not-configured"), path
        assert "POST /projects/{id}/stripe-account" in problem["detail"]
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert rows_at_stripe() == before
    assert intents.count_open() == OpenIntents(open=0, parked=0, oldest=None)


@pytest.mark.usefixtures("without_key")
def test_what_needs_no_stripe_works(api: ApiClient, project: Project) -> None:
    assert Feature.objects.for_project(project).get().code == "sso"
    grant = {"user_id": "alice", "feature": "sso", "reason": "Goodwill."}
    meter = {"code": "bytes", "name": "Bytes", "aggregation": "sum"}
    record = {"user_id": "alice", "meter": "bytes", "value": 3}
    for path, body in (
        ("/customers", {"user_id": "alice"}),
        ("/admin/grant", grant),
        ("/meters", meter),
        ("/usage", record),
        ("/features", {"code": "more", "name": "More"}),
        ("/credits/alice/grant", {"amount": 5, "reason": "Goodwill."}),
    ):
        answer = api.post(path, body)
        assert answer.status_code == 201, (path, answer.content)
    checked = api.get("/entitlements/check", query={"user_id": "alice", "feature": "sso"})
    assert (checked.status_code, checked.json()["allowed"]) == (200, True)
    for path in ("/products", "/prices", "/plans", "/subscriptions/alice", "/payments", "/invoices",
                 "/entitlements?user_id=alice", "/usage?user_id=alice&meter=bytes", "/events",
                 f"/projects/{project.pk}/stripe-account"):  # fmt: skip
        assert api.get(path).status_code == 200, path
    public = ApiClient().get(f"/billing/projects/{project.pk}/plans").json()
    assert [plan["name"] for plan in public["data"]] == ["Pro"]
    assert public["publishable_key"] is None


@pytest.mark.usefixtures("without_key")
def test_a_webhook_without_secrets_is_refused() -> None:
    answer = Client().post(
        "/webhooks/stripe", b"{}", "application/json", headers={"Stripe-Signature": "t=1,v1=0"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "signature-refused")


@pytest.mark.usefixtures("without_key")
def test_health_says_what_does_not_work(project: Project, settings: Settings) -> None:
    redis.breaker.close()
    health = Client().get("/health")
    assert health.status_code == 200
    assert health.json()["checks"]["stripe_keys"] == {
        "status": "degraded",
        "detail": "1 project(s) cannot sell: they have no Stripe key",
    }
    ready = Client().get("/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    settings.BILLING = replace(settings.BILLING, stripe_secret_key="sk_live_1")
    other_mode = Client().get("/health").json()["checks"]["stripe_keys"]
    assert other_mode["status"] == "degraded"
    settings.BILLING = replace(settings.BILLING, stripe_secret_key="sk_test_1")
    assert Client().get("/health").json()["checks"]["stripe_keys"] == {"status": "ok"}


def test_a_project_with_an_account_of_its_own_still_sells(
    api: ApiClient,
    other_api: ApiClient,
    project: Project,
    stripe: SandboxStripe,
    settings: Settings,
) -> None:
    """The platform's missing key concerns only those who sell through its account."""
    own = "sk_test_own_account"
    accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=own)
    settings.BILLING = replace(settings.BILLING, stripe_secret_key="")
    keys = {"secret_key": own, "publishable_key": "pk_test_51Own"}
    assert api.post(f"/projects/{project.pk}/stripe-account", keys).status_code == 201
    sold = api.post("/payments", {"user_id": "alice", "amount": AMOUNT})
    assert (sold.status_code, sold.json()["publishable_key"]) == (201, "pk_test_51Own")
    assert sold.json()["client_secret"] is not None
    refused = other_api.post("/payments", {"user_id": "bob", "amount": AMOUNT})
    assert refused.json()["code"] == "stripe-not-configured"
