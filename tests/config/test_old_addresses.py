"""Addresses of earlier services behave like what has replaced them, and say when they end."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing.models import StripeEndpoint
from config.old_addresses import SUNSET_AT, find_present_path
from projects.models import Project
from tests.api_client import ApiClient
from tests.projects.sign_in.tokens import Browser, sign_in
from tests.webhooks.stripe_post import sign
from webhooks.models import InboundEvent

OWN = "https://app.example.com"


def assert_deprecated(answer: Any, present: str, settings: Settings) -> None:
    """The three headers, with the address to use instead."""
    assert answer.headers["Deprecation"] == "@1795478400"
    assert answer.headers["Sunset"] == "Fri, 31 Dec 2027 00:00:00 GMT"
    link = f'<{settings.PUBLIC_URL}{present}>; rel="successor-version"'
    assert answer.headers["Link"] == link


def test_only_whole_paths_are_old() -> None:
    paths = {
        "/webhook": "/webhooks/stripe",
        "/webhook/": "/webhooks/stripe",
        "/webhooks": None,
        "/webhook/x": None,
        "/api/api/v1/billing/plans": "/api/v1/billing/plans",
        "/api/api/v1/billing/plans/": "/api/v1/billing/plans",
        "/api/api/v1/billing/": None,
        "/api/api/v1/customers": None,
        "/api/v1/billing/plans": None,
        "/x/api/api/v1/billing/plans": None,
    }
    assert {path: find_present_path(path)[1] for path in paths} == paths
    assert SUNSET_AT.year == 2027


@pytest.mark.usefixtures("stripe")
def test_a_webhook_at_the_old_address_is_verified_and_kept(
    endpoint: StripeEndpoint, settings: Settings
) -> None:
    event = {"id": "evt_1", "object": "event", "type": "product.updated", "livemode": False,
             "data": {"object": {"id": "prod_1", "object": "product"}}}  # fmt: skip
    body = json.dumps(event)
    secret = settings.BILLING.stripe_webhook_secrets[0]
    for text, status in ((body, 200), (body, 200), (body + " ", 400)):
        header = {"Stripe-Signature": sign(body.encode(), secret)}
        answer = Client().post("/webhook", text, "application/json", headers=header)
        assert answer.status_code == status, answer.content
        assert_deprecated(answer, "/webhooks/stripe", settings)
    [kept] = InboundEvent.objects.all()
    assert (kept.event_id, kept.endpoint_id) == ("evt_1", endpoint.pk)
    unsigned = Client().post("/webhook", body, "application/json")
    assert (unsigned.status_code, unsigned.json()["code"]) == (400, "signature-refused")
    assert Client().get("/webhook").status_code == 405


def test_signed_in_users_are_served_below_the_doubled_prefix(
    api: ApiClient, project: Project, settings: Settings
) -> None:
    sign_in(api, project)
    project.return_origins = [OWN]
    project.save()
    alice = Browser(project)
    for path in ("plans", "invoices", "usage"):
        present = alice.get(f"/billing/{path}")
        old = alice.get(f"/api/api/v1/billing/{path}", headers={"Origin": OWN})
        slash = alice.get(f"/api/api/v1/billing/{path}/")
        assert (old.status_code, old.content) == (200, present.content)
        assert (slash.status_code, slash.content) == (200, present.content)
        assert old.headers["Access-Control-Allow-Origin"] == OWN
        assert_deprecated(old, f"/api/v1/billing/{path}", settings)
        assert "Deprecation" not in present.headers
    refused = ApiClient().get("/api/api/v1/billing/usage")
    assert (refused.status_code, refused.json()["code"]) == (401, "token-required")
    missing = alice.get("/api/api/v1/billing/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    headers = {"Origin": OWN, "Access-Control-Request-Method": "PATCH"}
    preflight = ApiClient().request("OPTIONS", "/api/api/v1/billing/subscription", headers=headers)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, OWN)


def test_a_request_is_the_same_for_its_idempotency_key_at_both_addresses(
    api: ApiClient, project: Project
) -> None:
    sign_in(api, project)
    alice, key = Browser(project), {"Idempotency-Key": "portal-1"}
    first = alice.post("/api/api/v1/billing/portal", {}, headers=key)
    again = alice.post("/billing/portal", {}, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_old_pages_lead_to_the_present_ones() -> None:
    for path in ("/redoc", "/redoc/"):
        answer = Client().get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/api/redoc")
