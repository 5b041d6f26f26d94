"""``expires_in`` cancels an unpaid payment at Stripe and records one event."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from stripe import StripeError

from billing.models import Payment
from billing.payments import expiry
from projects.models import Project
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.billing.payments.test_payments import confirm, intent, take
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]
MINUTE = 60


def expire() -> int:
    return expiry.expire_due(at=timezone.now())


def show(tenant: Tenant, payment: Json) -> Json:
    return dict(tenant.api.get(f"/payments/{payment['id']}").json())


def lease_ends(project: Project) -> None:
    Payment.objects.for_project(project).update(expiry_leased_until=None)
    end_pauses()


@pytest.fixture
def due_payment(tenant: Tenant, drain: Drain, clock: Clock) -> Json:
    """A payment whose time has just ended."""
    payment = take(tenant, expires_in=MINUTE)
    drain()
    assert payment["expires_at"] == (clock.now + timedelta(seconds=MINUTE)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    assert expire() == 0
    clock.advance(seconds=MINUTE)
    return payment


def at_the_moment_of(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, path: str, act: Callable[[], None]
) -> None:
    """Just before this request reaches Stripe."""
    transport = tenant.stripe.transport
    send = transport.request

    def overtaken(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if method == "post" and url.endswith(path):
            monkeypatch.undo()
            act()
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(transport, "request", overtaken)


def test_an_unpaid_payment_is_canceled_at_its_expiry(
    tenant: Tenant, project: Project, due_payment: Json, drain: Drain
) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert expire() == 1
    assert len(captured) <= 60
    payment = show(tenant, due_payment)
    assert (payment["status"], payment["expired_at"]) == ("expired", due_payment["expires_at"])
    (at_stripe,) = tenant.at_stripe("payment_intent")
    assert (at_stripe["status"], at_stripe["cancellation_reason"]) == ("canceled", "abandoned")
    with pytest.raises(StripeError):
        confirm(tenant, due_payment)
    drain()
    lease_ends(project)
    assert expire() == 0
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.expired"]
    call_command("reconcile", "--dry-run", stdout=StringIO())
    event = outbox_events.last(project, "payment.expired")
    assert (event.data["status"], event.previous["status"]) == ("expired", "pending")


def test_a_payment_made_at_the_expiry_counts(
    tenant: Tenant,
    project: Project,
    due_payment: Json,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The buyer is faster than our request, which Stripe refuses."""
    at_the_moment_of(tenant, monkeypatch, "/cancel", lambda: confirm(tenant, due_payment))
    assert expire() == 1
    assert show(tenant, due_payment)["status"] == "paid"
    drain()
    lease_ends(project)
    assert expire() == 0
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]


def test_a_declined_card_does_not_keep_it_open(
    tenant: Tenant, project: Project, due_payment: Json, drain: Drain
) -> None:
    with pytest.raises(StripeError):
        confirm(tenant, due_payment, card="pm_card_visa_chargeDeclined")
    drain()
    assert show(tenant, due_payment)["status"] == "failed"
    assert expire() == 1
    assert show(tenant, due_payment)["status"] == "expired"
    drain()
    assert outbox_events.types(project, "payment.") == [
        "payment.created",
        "payment.failed",
        "payment.expired",
    ]


def test_a_lost_answer_to_the_cancellation_is_looked_up(
    tenant: Tenant, project: Project, due_payment: Json, drain: Drain
) -> None:
    """We crash after Stripe has canceled it: the event, or the next run, tells it, not both."""
    tenant.stripe.fail("timeout_after", path="/v1/payment_intents/*/cancel", times=3)
    assert expire() == 1
    assert show(tenant, due_payment)["status"] == "pending"
    drain()
    assert show(tenant, due_payment)["status"] == "expired"
    lease_ends(project)
    assert expire() == 0
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.expired"]


def test_expiry_waits_for_stripe(
    tenant: Tenant, project: Project, due_payment: Json, drain: Drain
) -> None:
    tenant.stripe.fail("timeout_before", path="/v1/payment_intents/*/cancel", times=3)
    assert expire() == 1
    assert expire() == 0, "another worker leaves it alone"
    assert show(tenant, due_payment)["status"] == "pending"
    confirm(tenant, due_payment)
    lease_ends(project)
    assert expire() == 1
    drain()
    assert show(tenant, due_payment)["status"] == "paid"
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]


def test_a_project_cancels_a_payment(tenant: Tenant, project: Project, drain: Drain) -> None:
    payment = take(tenant, expires_in=MINUTE)
    path = f"/payments/{payment['id']}/cancel"
    for _ in range(2):
        canceled = tenant.api.post(path)
        assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    (at_stripe,) = tenant.at_stripe("payment_intent")
    assert at_stripe["cancellation_reason"] == "requested_by_customer"
    drain()
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.canceled"]
    paid = take(tenant, user_id="bob")
    confirm(tenant, paid)
    for _ in range(2):  # once unknown to us, once known
        refused = tenant.api.post(f"/payments/{paid['id']}/cancel")
        assert (refused.status_code, refused.json()["code"]) == (409, "payment-not-cancelable")
        assert refused.json()["payment_status"] == "paid"
    drain()
    assert outbox_events.types(project, "payment.paid") == ["payment.paid"]


def test_standing(tenant: Tenant, neighbour: Tenant, drain: Drain) -> None:
    payment = take(tenant)
    path = f"/payments/{payment['id']}"
    tenant.api.get(f"{path}/status")
    with CaptureQueriesContext(connection) as captured:
        body = tenant.api.get(f"{path}/status").json()
    payment_reads = [each for each in captured.captured_queries if "billing_" in each["sql"]]
    assert len(payment_reads) == 1
    assert body == {
        "id": payment["id"],
        "status": "pending",
        "amount": {"amount": 2900, "currency": "usd"},
        "paid_at": None,
        "failure": None,
    }
    with pytest.raises(StripeError):
        confirm(tenant, payment, card="pm_card_visa_chargeDeclined")
    synced = tenant.api.post(f"{path}/sync").json()
    body = tenant.api.get(f"{path}/status").json()
    assert body["status"] == synced["status"] == "failed"
    assert body["failure"]["code"] == "generic_decline"
    confirm(tenant, payment)
    assert tenant.api.post(f"{path}/sync").json()["status"] == "paid"
    assert tenant.api.get(f"{path}/status").json()["paid_at"] is not None
    for response in (
        neighbour.api.get(f"{path}/status"),
        neighbour.api.post(f"{path}/sync"),
        neighbour.api.post(f"{path}/cancel"),
    ):
        assert response.status_code == 404


@pytest.mark.parametrize("seconds", [59, 30 * 86_400 + 1, 0, -1, "60"])
def test_an_invalid_expires_in_is_refused(tenant: Tenant, seconds: Any) -> None:
    assert tenant.api.post("/payments", intent(expires_in=seconds)).status_code == 422
    assert tenant.at_stripe("payment_intent") == []
