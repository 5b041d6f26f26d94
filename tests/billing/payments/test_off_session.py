"""Saved payment methods are charged off session, listed and removed."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Payment, StripeCustomer
from billing.subscriptions import default_methods
from events.models import AuditEntry
from projects.models import Project
from sandbox import buyer
from tests.billing import outbox_events
from tests.billing.payments.test_payments import calls, confirm, intent, take
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]
CHARGED_LATER = "pm_card_chargeCustomerFail"
ALWAYS_ASKS = "pm_card_authenticationRequired"


def charge(tenant: Tenant, **body: Any) -> Any:
    return tenant.api.post("/payments", intent(off_session=True, **body))


def save(tenant: Tenant, card: str = "pm_card_visa", user_id: str = "alice") -> None:
    """The user pays once on session, and lets the method be kept."""
    payment = take(tenant, user_id=user_id, save_payment_method=True)
    confirm(tenant, payment, card)


def attach(tenant: Tenant, card: str) -> str:
    """A further method, saved elsewhere."""
    owner = tenant.at_stripe("customer")[-1]["id"]
    return str(tenant.stripe.v1.payment_methods.attach(card, {"customer": owner}).id)


def saved(tenant: Tenant, user_id: str = "alice") -> list[Json]:
    response = tenant.api.get(f"/customers/{user_id}/payment-methods")
    assert response.status_code == 200, response.content
    return list(response.json()["data"])


def test_a_saved_card_is_charged(tenant: Tenant, project: Project, drain: Drain) -> None:
    save(tenant)
    drain()
    response = charge(tenant, amount={"amount": 500, "currency": "usd"}, reference="usage-1")
    assert (response.status_code, response.json()["status"]) == (201, "paid")
    assert (response.json()["off_session"], response.json()["payment_method_type"]) == (
        True,
        "card",
    )
    drain()
    again = charge(tenant, amount={"amount": 500, "currency": "usd"}, reference="usage-1")
    assert (again.status_code, again.json()["id"]) == (200, response.json()["id"])
    assert sorted(each["amount"] for each in tenant.at_stripe("charge")) == [500, 2900]
    event_types = ["payment.created", "payment.paid"]
    assert outbox_events.types(project, "payment.") == [*event_types, *event_types]


def test_a_declined_card_leaves_a_failed_payment(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    save(tenant)
    drain()
    payment_method = attach(tenant, CHARGED_LATER)
    headers = {"Idempotency-Key": "k-1"}
    body = intent(off_session=True, payment_method=payment_method)
    refused = tenant.api.post("/payments", body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (402, "card-declined")
    assert refused.json()["decline_code"] == "generic_decline"
    response_body = tenant.api.get(f"/payments/{refused.json()['payment']}").json()
    assert (response_body["status"], response_body["failure"]["code"]) == (
        "failed",
        "generic_decline",
    )
    assert response_body["client_secret"] is not None
    assert tenant.api.post("/payments", body, headers=headers).json() == refused.json()
    drain()
    assert outbox_events.types(project, "payment.")[-2:] == ["payment.created", "payment.failed"]
    assert Payment.objects.for_project(project).count() == 2
    confirm(tenant, response_body)
    assert tenant.api.post(f"/payments/{response_body['id']}/sync").json()["status"] == "paid"


def test_a_bank_that_wants_the_user_present(tenant: Tenant, project: Project, drain: Drain) -> None:
    save(tenant)
    payment_method = attach(tenant, ALWAYS_ASKS)
    response = charge(tenant, payment_method=payment_method, reference="usage-1")
    assert (response.status_code, response.json()["status"]) == (201, "requires_action")
    drain()
    assert outbox_events.types(project, "payment.failed") == []
    payment_intent = confirm(tenant, response.json(), payment_method)
    assert payment_intent.status == "requires_action"
    path = f"/payments/{response.json()['id']}"
    assert tenant.api.post(f"{path}/sync").json()["status"] == "requires_action"
    buyer.authenticate(tenant.stripe.world, payment_intent.id, succeeds=True)
    drain()
    assert tenant.api.get(path).json()["status"] == "paid"
    assert outbox_events.types(project, "payment.paid") == ["payment.paid"] * 2


def test_a_user_without_a_saved_method_is_refused(tenant: Tenant, project: Project) -> None:
    nobody = charge(tenant)
    assert (nobody.status_code, nobody.json()["code"]) == (409, "no-payment-method")
    assert outbox_events.types(project) == []
    tenant.sell(tenant.price(interval=None))
    stripe_calls = calls(tenant)
    for method in ("default", "pm_of_somebody_else"):
        refused = charge(tenant, payment_method=method)
        assert (refused.status_code, refused.json()["code"]) == (409, "no-payment-method")
    assert not [each for each in stripe_calls if each.startswith("POST")]
    assert Payment.objects.for_project(project).filter(off_session=True).count() == 0
    malformed: list[Json] = [
        {"payment_method": "default"},
        {"off_session": True, "save_payment_method": True},
        {"off_session": "yes"},
    ]
    for body in malformed:
        assert tenant.api.post("/payments", intent(**body)).status_code == 422


def test_saved_methods_are_listed_chosen_and_removed(tenant: Tenant, neighbour: Tenant) -> None:
    assert tenant.api.get("/customers/alice/payment-methods").status_code == 404
    take(tenant)
    assert saved(tenant) == []
    save(tenant)
    (first,) = saved(tenant)
    assert first == {
        "id": first["id"],
        "type": "card",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 12,
        "exp_year": first["exp_year"],
        "is_default": False,
    }
    second = attach(tenant, "pm_card_mastercard")
    path = f"/customers/alice/payment-methods/{second}"
    chosen = tenant.api.post(f"{path}/default").json()["data"]
    assert [(each["id"], each["is_default"]) for each in chosen if each["is_default"]] == [
        (second, True)
    ]
    assert charge(tenant).json()["status"] == "paid"
    assert tenant.at_stripe("charge")[-1]["payment_method"] == second
    take(neighbour, user_id="alice", save_payment_method=True)
    for response in (
        neighbour.api.post(f"{path}/default"),
        neighbour.api.delete(path),
        tenant.api.delete("/customers/alice/payment-methods/pm_unknown"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert tenant.api.delete(path).status_code == 204
    assert [each["id"] for each in saved(tenant)] == [first["id"]]
    assert tenant.api.delete(path).status_code == 404
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert [each for each in actions if each.startswith("payment_method.")] == [
        "payment_method.make_default",
        "payment_method.detach",
    ]


@pytest.mark.parametrize(
    ("account", "status"),
    [("pm_usBankAccount_success", "paid"), ("pm_usBankAccount_insufficientFunds", "failed")],
)
def test_a_bank_debit_is_answered_days_later(
    tenant: Tenant, project: Project, drain: Drain, clock: Clock, account: str, status: str
) -> None:
    payment = take(tenant)
    confirm(tenant, payment, account)
    drain()
    path = f"/payments/{payment['id']}"
    assert tenant.api.get(path).json()["status"] == "processing"
    begun = ["payment.created", "payment.processing"]
    assert outbox_events.types(project, "payment.") == begun
    clock.advance(days=5)
    drain()
    body = tenant.api.get(path).json()
    assert (body["status"], body["paid_at"] is not None) == (status, status == "paid")
    assert (body["payment_method_type"], body["client_secret"] is not None) == (
        "us_bank_account",
        True,
    )
    assert outbox_events.types(project, "payment.") == [*begun, f"payment.{status}"]


def own_methods(tenant: Tenant) -> set[str]:
    return {each["default_payment_method"] for each in tenant.at_stripe("subscription")}


def test_a_new_default_pays_the_renewals(
    tenant: Tenant, clock: Clock, drain: Drain, project: Project
) -> None:
    """Checkout gives each subscription a card of its own; both follow, one with a schedule too."""
    prices = [tenant.price(tenant.product(), amount) for amount in (500, 900)]
    smaller = tenant.price({"id": prices[0]["product"]}, 400)
    for price in prices:
        tenant.sell(price)
    path = f"/subscriptions/alice/{prices[0]['product']}"
    assert tenant.api.patch(path, {"price": smaller["id"]}).json()["scheduled_change"] is not None
    old = own_methods(tenant)
    new = attach(tenant, "pm_card_mastercard")
    path = f"/customers/alice/payment-methods/{new}/default"
    assert tenant.api.post(path).status_code == 200
    assert own_methods(tenant) == {new}
    assert new not in old
    drain()
    clock.advance(days=31)
    drain()
    paid = [each for each in tenant.at_stripe("charge") if each["payment_method"] == new]
    assert sorted(each["amount"] for each in paid) == [400, 900]
    assert default_methods.update_due_subscriptions(at=clock.now) == 0


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_a_default_reaches_subscriptions_once_stripe_answers(
    tenant: Tenant, clock: Clock, fault: str
) -> None:
    for name in ("A", "B"):
        tenant.sell(tenant.price(tenant.product(name)))
    new = attach(tenant, "pm_card_mastercard")
    tenant.stripe.fail(fault, method="POST", path="/v1/subscriptions/*", times=3)
    path = f"/customers/alice/payment-methods/{new}/default"
    assert tenant.api.post(path).status_code == 200
    assert own_methods(tenant) != {new}
    clock.advance(seconds=61)
    assert default_methods.update_due_subscriptions(at=clock.now) == 1
    assert own_methods(tenant) == {new}
    assert default_methods.update_due_subscriptions(at=clock.now) == 0


def test_a_default_that_the_user_chooses_at_stripe(
    tenant: Tenant, neighbour: Tenant, clock: Clock, drain: Drain
) -> None:
    """In the portal, say. What an account had before we read it for the first time stays."""
    neighbour.sell(neighbour.price())
    tenant.sell(tenant.price())
    drain()
    new = attach(tenant, "pm_card_mastercard")
    (customer,) = {
        tenant.stripe.v1.payment_methods.retrieve(new).customer,
    }
    chosen: Any = {"invoice_settings": {"default_payment_method": new}}
    tenant.stripe.v1.customers.update(str(customer), chosen)
    drain()
    assert default_methods.update_due_subscriptions(at=clock.now) == 1
    assert [each["default_payment_method"] == new for each in tenant.at_stripe("subscription")] == [
        False,
        True,
    ]
    StripeCustomer.objects.across_projects().update(default_method=None)
    tenant.stripe.v1.customers.update(str(customer), {"metadata": {"x": "y"}})
    drain()
    assert default_methods.update_due_subscriptions(at=clock.now) == 0
