"""Customer changes and erasures reach Stripe."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from billing.customers import stripe_copies
from billing.models import StripeCustomer, StripeIntent
from billing.outbound import intents
from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.back_offs import end_pauses
from tests.billing.tenant import Tenant
from tests.billing_fixtures import Clock

ALICE = {"user_id": "alice@example.com", "email": "alice@example.com", "name": "Alice Liddell"}
TRACES = ("alice@example.com", "Alice Liddell", "wonderland")


@pytest.fixture
def alice(tenant: Tenant, drain: Callable[[], None]) -> dict[str, Any]:
    """She has bought one thing for good."""
    tenant.api.post("/customers", {**ALICE, "metadata": {"home": "wonderland"}})
    tenant.sell(tenant.price(interval=None), ALICE["user_id"])
    drain()
    return dict(tenant.api.get(f"/customers/{ALICE['user_id']}").json())


def at_stripe(tenant: Tenant) -> dict[str, Any]:
    [customer] = tenant.at_stripe("customer")
    return customer


def sweep() -> int:
    return stripe_copies.update_due(at=timezone.now())


def tables_with_traces(project: Project) -> list[str]:
    """Where our tables still know who she was."""
    rows = [
        *Customer.objects.for_project(project).values(),
        *StripeCustomer.objects.for_project(project).values(),
        *StripeIntent.objects.for_project(project).values(),
        *OutboxEvent.objects.for_project(project).values(),
    ]
    return [str(row) for row in rows if any(each in str(row) for each in TRACES)]


def test_a_new_name_or_address_reaches_stripe(
    tenant: Tenant, alice: dict[str, Any], drain: Callable[[], None], project: Project
) -> None:
    path = f"/customers/{alice['id']}"
    assert sweep() == 0
    tenant.api.patch(path, {"metadata": {"a": "b"}})
    assert sweep() == 0, "not a copy's business"
    for body in ({"email": "a@example.com"}, {"name": "A. Liddell"}, {"email": "b@example.com"}):
        assert tenant.api.patch(path, body).status_code == 200
        assert sweep() == 1
        assert {name: at_stripe(tenant)[name] for name in body} == body
    assert sweep() == 0
    drain()
    row = StripeCustomer.objects.for_project(project).get()
    assert (row.email, row.name) == ("b@example.com", "A. Liddell")


def test_an_outage_of_stripe_only_delays_the_change(
    tenant: Tenant, alice: dict[str, Any], clock: Clock
) -> None:
    tenant.stripe.fail("error_before", path="/v1/customers/*", times=3)
    tenant.api.patch(f"/customers/{alice['id']}", {"name": "Late"})
    sweep()
    assert at_stripe(tenant)["name"] == "Alice Liddell"
    tenant.api.patch(f"/customers/{alice['id']}", {"name": "Later"})
    for _ in range(5):
        clock.advance(seconds=70)
        end_pauses()
        intents.finish_due(at=timezone.now())
        sweep()
    assert at_stripe(tenant)["name"] == "Later"
    assert sweep() == 0


def test_erasing_keeps_financial_rows_only(
    tenant: Tenant, alice: dict[str, Any], drain: Callable[[], None], project: Project
) -> None:
    [payment] = tenant.api.get("/payments").json()["data"]
    assert tables_with_traces(project)
    answer = tenant.api.delete(f"/customers/{ALICE['user_id']}")
    assert answer.status_code == 200, answer.content
    erased = answer.json()
    assert (erased["id"], erased["user_id"]) == (alice["id"], alice["id"])
    drain()
    assert at_stripe(tenant).get("deleted")
    assert tables_with_traces(project) == []
    row = StripeCustomer.objects.for_project(project).get()
    assert row.deleted_at is not None
    [kept] = tenant.api.get("/payments").json()["data"]
    assert kept["user_id"] == alice["id"]
    assert {n: kept[n] for n in ("id", "amount", "status")} == {
        n: payment[n] for n in ("id", "amount", "status")
    }

    events = OutboxEvent.objects.for_project(project).filter(type__startswith="customer.")
    assert [each.type for each in events.order_by("pk")] == [
        "customer.created", "customer.deleted",
    ]  # fmt: skip
    again = tenant.api.delete(f"/customers/{alice['id']}")
    assert (again.status_code, again.json()) == (200, erased)
    assert events.count() == 2
    assert tenant.api.delete(f"/customers/{ALICE['user_id']}").status_code == 404
    assert tenant.api.get("/customers").json()["data"] == []
    assert tenant.api.patch(f"/customers/{alice['id']}", {"name": "x"}).status_code == 409
    price = tenant.price(amount=100, interval=None)
    body = {"user_id": alice["id"], "price": price["id"], "success_url": "https://app.example.com"}
    refusal = tenant.api.post("/checkout", body)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "customer-deleted")
    eligibility = tenant.api.get("/portal/eligibility", query={"user_id": alice["id"]}).json()
    assert eligibility == {"eligible": False, "reasons": ["deleted"]}

    tenant.sell(price, ALICE["user_id"])  # a new customer under the same name
    reborn = tenant.api.get(f"/customers/{ALICE['user_id']}").json()
    assert reborn["id"] != alice["id"]


def test_erasure_ends_running_subscriptions_only_if_requested(
    tenant: Tenant, drain: Callable[[], None], project: Project
) -> None:
    checkout = tenant.sell(tenant.price(), "bob")
    drain()
    refusal = tenant.api.delete("/customers/bob")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "customer-has-subscriptions")
    assert refusal.json()["subscriptions"] == [checkout["subscription"]]
    assert tenant.api.get("/customers/bob").status_code == 200
    for wrong in ({"cancel_subscriptions": "maybe"}, {"force": "true"}):
        assert tenant.api.delete("/customers/bob", query=wrong).status_code == 422
    body = {"cancel_subscriptions": "true"}
    assert tenant.api.delete("/customers/bob", query=body).status_code == 200
    drain()
    [subscription] = tenant.api.get("/subscriptions").json()["data"]
    assert subscription["status"] == "canceled"
    types = OutboxEvent.objects.for_project(project).order_by("pk").values_list("type", flat=True)
    assert [*types][-2:] == ["customer.deleted", "subscription.canceled"]


@pytest.mark.parametrize("fault", ["error_before", "timeout_after", "error_after"])
def test_a_change_missed_by_stripe_is_sent_later(
    tenant: Tenant, alice: dict[str, Any], clock: Clock, project: Project, fault: str
) -> None:
    tenant.stripe.fail(fault, path="/v1/customers/*", times=3)
    answer = tenant.api.delete(f"/customers/{alice['id']}")
    assert answer.status_code == 200, "who they were is forgotten here, whatever Stripe does"
    row = Customer.objects.for_project(project).get()
    assert (row.user_id, row.email, row.name, row.metadata) == (row.pk, "", "", {})
    for _ in range(6):
        clock.advance(seconds=70)
        intents.finish_due(at=timezone.now())
        sweep()
    assert at_stripe(tenant).get("deleted")
    assert tables_with_traces(project) == []
    assert sweep() == 0


def test_a_user_id_with_a_slash_is_reached_by_our_id(tenant: Tenant) -> None:
    body = tenant.api.post("/customers", {"user_id": "team/7"}).json()
    assert tenant.api.get("/customers/team%2F7").status_code == 404
    assert tenant.api.get(f"/customers/{body['id']}").json()["user_id"] == "team/7"
    assert tenant.api.delete(f"/customers/{body['id']}").status_code == 200
