"""``paid_at`` is the time of the money, for bank debits days after the charge."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from billing.models import Payment
from projects.models import Project
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]
ACH = "pm_usBankAccount_success"
SOON = timedelta(minutes=1)


def paid_at(tenant: Tenant, bought: Json) -> datetime | None:
    timestamp = tenant.api.get("/payments", query={"user_id": "alice"}).json()["data"][0]["paid_at"]
    return datetime.fromisoformat(timestamp) if timestamp else None


@pytest.mark.parametrize("interval", [None, "month"])
def test_a_debit_is_paid_when_the_bank_has_paid(
    tenant: Tenant, clock: Clock, drain: Drain, interval: str | None
) -> None:
    opened = tenant.open(tenant.price(interval=interval))
    assert tenant.pay(opened, card=ACH).status == "complete"
    started_at = clock.now
    drain()
    assert paid_at(tenant, opened) is None
    clock.advance(days=4)
    drain()
    payment_time = paid_at(tenant, opened)
    assert payment_time is not None
    assert started_at + timedelta(days=4) <= payment_time <= clock.now + SOON
    for invoice in tenant.api.get("/invoices").json()["data"]:
        assert abs(datetime.fromisoformat(invoice["paid_at"]) - payment_time) <= SOON
    clock.advance(days=1)
    payment = tenant.api.get("/payments").json()["data"][0]
    tenant.api.post(f"/payments/{payment['id']}/sync")
    assert paid_at(tenant, opened) == payment_time, "said once"


def test_a_card_is_paid_at_once(tenant: Tenant, clock: Clock, drain: Drain) -> None:
    opened = tenant.open(tenant.price(interval=None))
    tenant.pay(opened)
    then = clock.now
    clock.advance(days=1)
    drain()
    assert paid_at(tenant, opened) == then, "however late we hear of it"


def test_an_old_debit_takes_its_time_from_the_invoice(
    tenant: Tenant, clock: Clock, drain: Drain
) -> None:
    """As when history is imported: nobody here has seen it on its way."""
    opened = tenant.open(tenant.price())
    tenant.pay(opened, card=ACH)
    started_at = clock.now
    drain()
    clock.advance(days=4)
    drain()
    Payment.objects.across_projects().update(paid_at=None, stripe_status="", status="pending")
    clock.advance(days=30, hours=-1)
    payment = tenant.api.get("/payments").json()["data"][-1]
    tenant.api.post(f"/payments/{payment['id']}/sync")
    timestamp = tenant.api.get(f"/payments/{payment['id']}").json()["paid_at"]
    assert (
        started_at + timedelta(days=4)
        <= datetime.fromisoformat(timestamp)
        <= started_at + timedelta(days=5)
    )


def test_what_a_debit_buys_begins_when_it_is_paid(
    tenant: Tenant, project: Project, clock: Clock, drain: Drain
) -> None:
    """Credits that expire live as long as those that a card buys."""
    tenant.feature(project, "export")
    product = tenant.product(
        "Pack",
        features=[{"feature": "export"}],
        credits={"amount": 50, "expires_after_days": 3},
    )
    opened = tenant.open(tenant.price(product, interval=None))
    tenant.pay(opened, card=ACH)
    drain()
    clock.advance(days=4)
    drain()
    assert tenant.api.get("/credits/alice").json()["balance"] == 50
    clock.advance(days=2)
    assert tenant.api.get("/credits/alice").json()["balance"] == 50
    before = (clock.now - timedelta(days=4)).isoformat()
    check = {
        "user_id": "alice",
        "feature": "export",
        "at": before,
    }
    assert not tenant.api.get("/entitlements/check", query=check).json()["allowed"]
