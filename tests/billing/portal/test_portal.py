"""``/portal`` opens Stripe's customer portal as far as the project allows."""

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing.models import PortalConfiguration, StripeIntent
from events.models import AuditEntry
from projects.models import Project
from tests.billing.tenant import HOME, Json, Tenant
from tests.billing_fixtures import Clock

ACCOUNT = f"{HOME}/account"
CONFIGURATION, SESSION = "billing_portal.configuration", "billing_portal.session"


@pytest.fixture
def plans(tenant: Tenant) -> list[dict[str, Any]]:
    """Pro at 29 and 290, Team at 99; alice has Pro."""
    pro, team = tenant.product("Pro"), tenant.product("Team")
    prices = [
        tenant.price(pro),
        tenant.price(pro, 29000, interval="year"),
        tenant.price(team, 9900),
    ]
    tenant.sell(prices[0])
    return prices


def open_portal(tenant: Tenant, user_id: str = "alice", **body: Any) -> str:
    answer = tenant.api.post("/portal", {"user_id": user_id, **body})
    assert answer.status_code == 201, answer.content
    assert answer.json().keys() == {"url"}
    return str(answer.json()["url"])


def session_of(tenant: Tenant) -> dict[str, Any]:
    return tenant.at_stripe(SESSION)[-1]


def eligibility_reasons(tenant: Tenant, user_id: str = "alice") -> list[str]:
    body = tenant.api.get("/portal/eligibility", query={"user_id": user_id}).json()
    assert body["eligible"] is (body["reasons"] == [])
    return list(body["reasons"])


@pytest.mark.usefixtures("plans")
def test_the_portal_configuration_is_created_once(
    tenant: Tenant, project: Project, plans: list[dict[str, Any]]
) -> None:
    for _ in range(2):
        url = open_portal(tenant, return_url=ACCOUNT)
        assert url == session_of(tenant)["url"]
        assert session_of(tenant)["return_url"] == ACCOUNT
    answer = tenant.api.post("/portal/session", {"user_id": "alice"})
    assert answer.status_code == 201
    [configuration] = tenant.at_stripe(CONFIGURATION)
    features = configuration["features"]
    assert features["subscription_cancel"]["mode"] == "at_period_end"
    assert features["payment_method_update"]["enabled"] is True
    assert features["invoice_history"] == {"enabled": True}
    offers = features["subscription_update"]["products"]
    assert [len(each["prices"]) for each in offers] == [2, 1]
    assert {each["configuration"] for each in tenant.at_stripe(SESSION)} == {configuration["id"]}
    row = PortalConfiguration.objects.for_project(project).get()
    assert (row.stripe_id, configuration["metadata"]["tollgate_id"]) == (
        configuration["id"],
        row.pk,
    )

    tenant.price(tenant.product("Big"), 99900)  # one more to choose from
    open_portal(tenant)
    newest = tenant.at_stripe(CONFIGURATION)[-1]
    assert len(newest["features"]["subscription_update"]["products"]) == 3
    assert session_of(tenant)["configuration"] == newest["id"] != configuration["id"]


@pytest.mark.usefixtures("plans")
def test_a_repeated_request_returns_the_same_link(tenant: Tenant) -> None:
    responses = [
        tenant.api.post("/portal", {"user_id": "alice"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert responses[0].content == responses[1].content
    assert len(tenant.at_stripe(SESSION)) == 1


def test_the_configuration_holds_for_the_next_portal(
    tenant: Tenant, plans: list[dict[str, Any]], project: Project
) -> None:
    usual: Json = {
        "headline": None,
        "cancellation": "period_end",
        "plan_changes": True,
        "products": [],
        "payment_methods": True,
        "invoices": True,
        "default_return_url": None,
    }
    response_body = tenant.api.get("/portal/configuration").json()
    offered = response_body.pop("offered")
    assert response_body == usual
    assert [(each["product"], each["prices"]) for each in offered] == [
        (plans[0]["product"], [plans[0]["id"], plans[1]["id"]]),
        (plans[2]["product"], [plans[2]["id"]]),
    ]
    team = plans[2]["product"]
    fields = {
        "headline": "Acme, your plan",
        "cancellation": "now",
        "products": [team],
        "invoices": False,
        "default_return_url": ACCOUNT,
    }
    answer = tenant.api.patch("/portal/configuration", fields)
    expected = usual | fields | {"offered": offered[1:]}
    assert (answer.status_code, answer.json()) == (200, expected)
    assert tenant.api.get("/portal/configuration").json() == expected
    entry = AuditEntry.objects.get(action="portal.configure")
    assert (entry.before, entry.after) == ({n: usual[n] or "" for n in fields} | {
        "products": [], "invoices": True, "cancellation": "period_end"}, fields)  # fmt: skip
    assert tenant.at_stripe(CONFIGURATION) == [], "nobody has needed it yet"

    open_portal(tenant)
    [configuration] = tenant.at_stripe(CONFIGURATION)
    assert configuration["business_profile"]["headline"] == "Acme, your plan"
    assert configuration["features"]["subscription_cancel"]["mode"] == "immediately"
    assert configuration["features"]["invoice_history"] == {"enabled": False}
    assert len(configuration["features"]["subscription_update"]["products"]) == 1
    assert session_of(tenant)["return_url"] == ACCOUNT

    tenant.api.patch("/portal/configuration", {"cancellation": "never", "plan_changes": False})
    open_portal(tenant)
    features = tenant.at_stripe(CONFIGURATION)[-1]["features"]
    assert not features["subscription_cancel"]["enabled"]
    assert not features["subscription_update"]["enabled"]
    for flow in ("subscription_cancel", "subscription_update"):
        body = {"user_id": "alice", "flow": {"type": flow, "product": plans[0]["product"]}}
        assert tenant.api.post("/portal", body).status_code == 422


def test_a_flow_opens_one_page_of_the_portal(tenant: Tenant, plans: list[dict[str, Any]]) -> None:
    pro, yearly = plans[0]["product"], plans[1]["id"]
    [subscription] = tenant.at_stripe("subscription")
    item = subscription["items"]["data"][0]["id"]
    target = {"subscription": subscription["id"]}
    yearly_at_stripe = tenant.api.get(f"/prices/{yearly}").json()["stripe_id"]
    for flow, expected in (
        ({"type": "payment_method_update"}, None),
        ({"type": "subscription_cancel", "product": pro}, target),
        ({"type": "subscription_update", "product": pro}, target),
        (
            {"type": "subscription_update_confirm", "product": pro, "price": yearly},
            {**target, "items": [{"id": item, "price": yearly_at_stripe, "quantity": 1}]},
        ),
    ):
        open_portal(tenant, return_url=ACCOUNT, flow=flow)
        flow_at_stripe = session_of(tenant)["flow"]
        assert flow_at_stripe["type"] == flow["type"]
        assert flow_at_stripe["after_completion"]["redirect"] == {"return_url": ACCOUNT}
        flow_details = flow_at_stripe.get(flow["type"])
        if expected is not None:
            assert {name: flow_details[name] for name in expected} == expected


def test_an_invalid_request_is_refused_and_creates_nothing(
    tenant: Tenant, neighbour: Tenant, plans: list[dict[str, Any]], project: Project
) -> None:
    pro, foreign = plans[0]["product"], neighbour.product("Theirs")["id"]
    before = StripeIntent.objects.for_project(project).count()
    cancel = {"type": "subscription_cancel", "product": pro}
    for body, status, code in (
        ({"return_url": "https://evil.example/"}, 422, "redirect-not-allowed"),
        ({"return_url": "javascript:alert(1)"}, 422, "redirect-not-allowed"),
        ({"flow": {"type": "subscription_pause"}}, 422, "invalid"),
        ({"flow": {"type": "subscription_cancel"}}, 422, "invalid"),
        ({"flow": {"type": "payment_method_update", "product": pro}}, 422, "invalid"),
        ({"flow": {**cancel, "price": plans[0]["id"]}}, 422, "invalid"),
        ({"flow": {"type": "subscription_update_confirm", "product": pro}}, 422, "invalid"),
        ({"flow": {**cancel, "product": plans[2]["product"]}}, 404, "not-found"),
        ({"flow": {**cancel, "product": foreign}}, 404, "not-found"),
        ({"flow": {**cancel, "product": "prod_1"}}, 422, "invalid"),
        ({"user_id": "nobody"}, 409, "portal-not-available"),
        ({"surprise": 1}, 422, "invalid"),
    ):
        answer = tenant.api.post("/portal", {"user_id": "alice", **body})
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    changes: list[tuple[Json, int]] = [
        ({"products": [foreign]}, 404),
        ({"default_return_url": "https://evil.example/"}, 422),
        ({"cancellation": "maybe"}, 422),
        ({"headline": "x" * 61}, 422),
        ({"plan_changes": 1}, 422),
        ({"surprise": 1}, 422),
    ]
    for change, refusal in changes:
        assert tenant.api.patch("/portal/configuration", change).status_code == refusal, change
    assert StripeIntent.objects.for_project(project).count() == before
    assert tenant.at_stripe(SESSION) == tenant.at_stripe(CONFIGURATION) == []
    assert AuditEntry.objects.filter(action="portal.configure").count() == 0


@pytest.mark.usefixtures("plans")
def test_eligibility_lists_the_reasons_of_a_refusal(
    tenant: Tenant, neighbour: Tenant, project: Project, settings: Settings
) -> None:
    assert eligibility_reasons(tenant) == []
    assert eligibility_reasons(neighbour) == ["unknown_user"]
    assert eligibility_reasons(tenant, "nobody") == ["unknown_user"]
    tenant.api.post("/customers", {"user_id": "bob"})
    assert eligibility_reasons(tenant, "bob") == ["nothing_bought"]
    tenant.open(tenant.price(), "bob")  # known at Stripe, nothing bought
    assert eligibility_reasons(tenant, "bob") == ["nothing_bought"]
    settings.BILLING = replace(project_settings.BILLING, stripe_secret_key="sk_live_other_mode")
    assert eligibility_reasons(tenant) == ["account_not_connected"]
    assert eligibility_reasons(tenant, "nobody") == ["account_not_connected", "unknown_user"]
    refusal = tenant.api.post("/portal", {"user_id": "alice"})
    assert refusal.status_code == 409
    assert refusal.json()["reasons"] == ["account_not_connected"]
    with CaptureQueriesContext(connection) as queries:
        eligibility_reasons(tenant)
    assert len(queries) <= 8


@pytest.mark.usefixtures("plans")
@pytest.mark.parametrize("fault", ["error_after", "timeout_before", "timeout_after"])
def test_a_portal_is_created_once_although_stripe_fails(
    tenant: Tenant, clock: Clock, fault: str
) -> None:
    tenant.stripe.fail(fault, path="/v1/billing_portal/configurations", times=3)
    for _ in range(5):
        answer = tenant.api.post("/portal", {"user_id": "alice"})
        if answer.status_code == 201:
            break
        assert (answer.status_code, answer.json()["code"]) == (503, "stripe-unavailable")
        clock.advance(seconds=int(answer.headers["Retry-After"]) + 61)
    assert answer.status_code == 201
    [configuration] = tenant.at_stripe(CONFIGURATION)
    assert session_of(tenant)["configuration"] == configuration["id"]


def test_what_the_portal_cannot_offer_is_left_out(
    tenant: Tenant, plans: list[dict[str, Any]]
) -> None:
    """A metered price on sale, and the older of two prices of one interval."""
    pro, meter = {"id": plans[0]["product"]}, tenant.meter("calls")
    metered = tenant.price(tenant.product("By use"), 2, meter=meter["code"])
    newer = tenant.price(pro, 3900)
    euros = tenant.price(pro, 3500, currency="eur")
    open_portal(tenant)
    [configuration] = tenant.at_stripe(CONFIGURATION)
    offers = configuration["features"]["subscription_update"]["products"]
    assert [each["prices"] for each in offers] == [
        [plans[1]["stripe_id"], newer["stripe_id"]],
        [plans[2]["stripe_id"]],
    ]
    offered = tenant.api.get("/portal/configuration").json()["offered"]
    assert [each["prices"] for each in offered] == [
        [plans[1]["id"], newer["id"], euros["id"]],
        [plans[2]["id"]],
    ]
    for price in (metered, euros):
        flow = {
            "type": "subscription_update_confirm",
            "product": pro["id"],
            "price": price["id"],
        }
        refused = tenant.api.post("/portal", {"user_id": "alice", "flow": flow})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert len(tenant.at_stripe(SESSION)) == 1


@pytest.mark.usefixtures("plans")
def test_a_portal_that_was_switched_off_in_the_dashboard_is_switched_on(tenant: Tenant) -> None:
    open_portal(tenant)
    [configuration] = tenant.at_stripe(CONFIGURATION)
    tenant.stripe.v1.billing_portal.configurations.update(configuration["id"], {"active": False})
    assert open_portal(tenant) == session_of(tenant)["url"]
    [again] = tenant.at_stripe(CONFIGURATION)
    assert (again["id"], again["active"]) == (configuration["id"], True)
    assert session_of(tenant)["configuration"] == configuration["id"]
