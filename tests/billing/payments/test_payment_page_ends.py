"""A payment page that expires, fails or is refused leaves one payment or none."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Checkout, Payment
from billing.payments import expiry
from projects.models import Project
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.billing.payments.payment_page_calls import (
    DECLINED,
    Drain,
    agrees_with_stripe,
    only_payment,
    page,
    request_payment,
    show,
)
from tests.billing.tenant import HOME, Tenant
from tests.sandbox_stripe import Clock


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize(
    ("end", "status"), [("time", "expired"), ("expires_in", "expired"), ("cancel", "canceled")]
)
def test_an_expired_page_cancels_its_payment(
    tenant: Tenant,
    project: Project,
    drain: Drain,
    clock: Clock,
    tried: bool,
    end: str,
    status: str,
) -> None:
    payment = request_payment(tenant, tenant.price(interval=None), expires_in=3600)
    if tried:
        tenant.pay(payment, card=DECLINED)
        drain()
    if end == "cancel":
        assert tenant.api.post(f"/payments/{payment['id']}/cancel").json()["status"] == "canceled"
    elif end == "time":
        clock.advance(hours=1, minutes=1)
        drain()
    else:
        Payment.objects.for_project(project).update(expires_at=clock.now)
        assert expiry.expire_due(at=timezone.now()) == 1
    shown_payment = show(tenant, payment)
    assert (shown_payment["status"], shown_payment["url"]) == (status, None)
    assert (shown_payment["expired_at"] is not None) == (status == "expired")
    drain()
    Payment.objects.for_project(project).update(expiry_leased_until=None)
    end_pauses()
    assert expiry.expire_due(at=timezone.now()) == 0
    assert Checkout.objects.for_project(project).get().status == "expired"
    agrees_with_stripe()
    failed = ["payment.failed"] if tried else []
    assert outbox_events.types(project, "payment.") == [
        "payment.created",
        *failed,
        f"payment.{status}",
    ]


def test_a_bank_debit_can_fail_days_after_the_page(
    tenant: Tenant, project: Project, drain: Drain, clock: Clock
) -> None:
    """The page is done: its payment failed, and there is nothing left to call off."""
    payment = request_payment(tenant, tenant.price(interval=None))
    tenant.pay(payment, card="pm_usBankAccount_insufficientFunds")
    drain()
    assert show(tenant, payment)["status"] == "processing"
    clock.advance(days=5)
    drain()
    assert show(tenant, payment)["status"] == "failed"
    assert expiry.expire_due(at=clock.now) == 0
    assert outbox_events.types(project, "payment.") == [
        "payment.created",
        "payment.processing",
        "payment.failed",
    ]


def test_a_page_paid_before_its_expiry_stays_paid(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    payment = request_payment(tenant, tenant.price(interval=None))
    tenant.pay(payment)
    Payment.objects.for_project(project).update(expires_at=timezone.now())
    assert expiry.expire_due(at=timezone.now()) == 1
    assert show(tenant, payment)["status"] == "paid"
    late = tenant.api.post(f"/payments/{payment['id']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "payment-not-cancelable")
    drain()
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]


def test_one_page_however_stripe_fails(tenant: Tenant, project: Project, drain: Drain) -> None:
    """The row of a request that had no answer is found again, or forgotten untold."""
    price = tenant.price(interval=None)
    tenant.stripe.fail("timeout_after", path="/v1/checkout/sessions", times=3)
    body = {**page(price), "reference": "order-1"}
    away = tenant.api.post("/payments", body)
    assert (away.status_code, away.json()["code"]) == (503, "stripe-unavailable")
    assert outbox_events.types(project, "payment.") == []
    payment = request_payment(tenant, price, status=200, reference="order-1")
    assert [each["status"] for each in tenant.at_stripe("checkout.session")] == ["open"]
    tenant.pay(payment)
    drain()
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]
    tenant.stripe.fail("timeout_before", path="/v1/checkout/sessions", times=3)
    forgotten = {**page(price), "reference": "order-2", "expires_in": 1800}
    assert tenant.api.post("/payments", forgotten).status_code == 503
    row = Payment.objects.for_project(project).get(reference="order-2")
    assert expiry.expire_due(at=row.created_at + timedelta(seconds=1800)) == 1
    assert only_payment(project).reference == "order-1"
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]


def test_the_query_count_of_lists_is_constant(tenant: Tenant) -> None:
    price = tenant.price(interval=None)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            listed = tenant.api.get("/payments", query={"type": "item", "status": "pending"})
        assert listed.status_code == 200
        return len(captured)

    request_payment(tenant, price)
    queries()
    few = queries()
    for user_id in ("bob", "carol"):
        request_payment(tenant, price, user_id=user_id)
    assert queries() == few <= 12


def test_a_refused_request_leaves_no_payment(tenant: Tenant, project: Project) -> None:
    monthly, once = tenant.price(), tenant.price(interval=None)
    amount = {"amount": 100, "currency": "usd"}
    refused = [
        (422, "ambiguous-order", {"user_id": "alice"}),
        (422, "ambiguous-order", {"user_id": "alice", "price": once["id"], "amount": amount}),
        (422, "invalid", {"user_id": "alice", "price": once["id"]}),
        (422, "invalid", {"user_id": "alice", "amount": amount, "success_url": HOME}),
        (422, "invalid", {"user_id": "a", "price": once["id"], "success_url": HOME} | AWAY),
        (422, "wrong-price-type", page(once) | {"type": "subscription"}),
        (422, "wrong-price-type", page(monthly) | {"type": "intent"}),
        (422, "redirect-not-allowed", page(once) | {"success_url": "https://evil.example"}),
        (422, "invalid", page(once) | {"expires_in": 86_401}),
    ]
    for status, code, body in refused:
        response = tenant.api.post("/payments", body)
        assert (response.status_code, response.json()["code"]) == (status, code), body
    assert not Payment.objects.for_project(project).exists()
    assert tenant.at_stripe("checkout.session") == tenant.at_stripe("payment_intent") == []
    tenant.sell(monthly)
    second = tenant.api.post("/payments", page(monthly))
    assert (second.status_code, second.json()["code"]) == (409, "already-subscribed")
    assert not Payment.objects.for_project(project).exclude(type="").exists()


AWAY = {"off_session": True}
