"""An early fraud warning is shown and recorded, and nothing is refunded."""

from collections.abc import Callable

import pytest

from billing.models import EarlyFraudWarning, SyncObject
from events.models import OutboxEvent
from projects.models import Project
from sandbox import bank
from tests.billing.tenant import Json, Tenant

Drain = Callable[[], None]
WARNED = "payment.fraud_warning"


@pytest.fixture
def payment(tenant: Tenant, project: Project, drain: Drain) -> Json:
    tenant.feature(project, "export")
    product = tenant.product("Export", features=[{"feature": "export"}])
    checkout = tenant.sell(tenant.price(product, amount=9900, interval=None))
    drain()
    return dict(tenant.api.get(f"/payments/{checkout['payment']}").json())


def warning_events(project: Project) -> list[Json]:
    rows = OutboxEvent.objects.for_project(project).filter(type=WARNED).order_by("id")
    return [row.data for row in rows]


def warn(tenant: Tenant, payment: Json) -> str:
    warning = bank.issue_fraud_warning(
        tenant.stripe.world, payment["stripe_id"], fraud_type="made_with_stolen_card"
    )
    return str(warning["id"])


def show(tenant: Tenant, payment: Json) -> Json:
    return dict(tenant.api.get(f"/payments/{payment['id']}").json())


def test_a_warning_is_shown_and_recorded_once(
    tenant: Tenant, project: Project, payment: Json, drain: Drain
) -> None:
    stripe_id = warn(tenant, payment)
    drain()
    shown_payment = show(tenant, payment)
    (warning,) = shown_payment["fraud_warnings"]
    assert (warning["fraud_type"], warning["actionable"], warning["stripe_id"]) == (
        "made_with_stolen_card",
        True,
        stripe_id,
    )
    (event,) = warning_events(project)
    assert (event["id"], event["fraud_warnings"]) == (payment["id"], [warning])
    assert (shown_payment["status"], shown_payment["refunds"], shown_payment["disputes"]) == (
        "paid",
        [],
        [],
    )
    assert tenant.at_stripe("refund") == []
    check = {"user_id": "alice", "feature": "export"}
    assert tenant.api.get("/entitlements/check", query=check).json()["allowed"]
    assert tenant.api.get("/payments").json()["data"][0]["fraud_warnings"] == [warning]


@pytest.mark.parametrize("what", ["dispute", "refund"])
def test_a_warning_ends_with_a_dispute_or_refund(
    tenant: Tenant, project: Project, payment: Json, drain: Drain, what: str
) -> None:
    warn(tenant, payment)
    drain()
    if what == "dispute":
        tenant.stripe.dispute(payment["stripe_id"])
    else:
        tenant.api.post(f"/payments/{payment['id']}/refunds", {})
    drain()
    assert [each["actionable"] for each in show(tenant, payment)["fraud_warnings"]] == [False]
    assert len(warning_events(project)) == 1, "told once"


def test_a_warning_before_its_payment_is_applied_later(
    tenant: Tenant, project: Project, payment: Json, drain: Drain
) -> None:
    """Of a payment that was made at Stripe the warning may come first."""
    customer = tenant.at_stripe("customer")[0]["id"]
    intent = tenant.stripe.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": customer,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "off_session": True,
        }
    )
    stripe_id = str(bank.issue_fraud_warning(tenant.stripe.world, intent.id)["id"])
    tenant.stripe.deliver()
    SyncObject.objects.exclude(kind="fraud_warning").update(next_try_at="2999-01-01T00:00:00Z")
    drain()
    row = SyncObject.objects.get(kind="fraud_warning", stripe_id=stripe_id)
    assert row.foreign_at is None
    SyncObject.objects.update(next_try_at="2000-01-01T00:00:00Z")
    drain()
    (event,) = warning_events(project)
    assert event["stripe_id"] == intent.id


def test_a_neighbours_warning_is_foreign(
    tenant: Tenant, neighbour: Tenant, project: Project, payment: Json, drain: Drain
) -> None:
    neighbours_checkout = neighbour.sell(neighbour.price(amount=500, interval=None))
    paid = neighbour.api.get(f"/payments/{neighbours_checkout['payment']}").json()
    warn(neighbour, paid)
    stranger = tenant.stripe.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    bank.issue_fraud_warning(tenant.stripe.world, stranger.id)
    drain()
    assert warning_events(project) == []
    assert show(tenant, payment)["fraud_warnings"] == []
    assert EarlyFraudWarning.objects.across_projects().count() == 1
    assert SyncObject.objects.filter(kind="fraud_warning", foreign_at__isnull=False).count() == 1


def test_the_card_that_is_warned_of(tenant: Tenant, project: Project, drain: Drain) -> None:
    opened = tenant.open(tenant.price(interval=None))
    tenant.pay(opened, card="4000000000005423")
    drain()
    assert len(warning_events(project)) == 1
