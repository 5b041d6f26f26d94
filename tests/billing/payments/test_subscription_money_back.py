"""Refunds, disputes and failed debits of a subscription change the access of its period."""

from datetime import datetime, timedelta

import pytest

from tests.billing import outbox_events
from tests.billing.payments.refund_desk import ALL, CHANGED, NONE, Desk
from tests.sandbox_stripe import Clock


@pytest.mark.parametrize("policy", ["revoke", "proportional", "period_end", "keep"])
def test_refunds_of_a_subscription_follow_the_running_period(
    desk: Desk, clock: Clock, policy: str
) -> None:
    payment = desk.sell(desk.price(interval="month", refund_policy=policy))
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    ends = datetime.fromisoformat(subscription["items"][0]["period_end"])
    desk.refund(payment, amount=500)
    assert desk.has() == (("entitled", 5) if policy == "proportional" else ALL)
    desk.refund(payment)
    assert desk.has() == (NONE if policy in ("revoke", "proportional") else ALL)
    if policy == "period_end":
        assert desk.decision("export").valid_until == ends
    clock.advance(seconds=(ends - clock.now).total_seconds() + 60)
    desk.drain()
    assert desk.has() == (ALL if policy == "keep" else NONE), "the renewal is not paid yet"
    clock.advance(hours=2)
    desk.drain()
    assert desk.has() == ALL, "a paid renewal restores"


def test_after_an_upgrade_all_that_paid_the_period_counts(desk: Desk, clock: Clock) -> None:
    """A refund of the difference alone ends nothing."""
    price = desk.price(interval="month")
    first = desk.sell(price)
    dearer = desk.tenant.price({"id": price["product"]}, amount=5000)
    clock.advance(days=10)
    path = f"/subscriptions/alice/{price['product']}"
    changed = desk.tenant.api.patch(path, {"price": dearer["id"], "when": "now"})
    assert changed.status_code == 200, changed.content
    desk.drain()
    second = desk.tenant.api.get("/payments").json()["data"][0]
    assert second["id"] != first["id"]
    desk.refund(second)
    assert desk.has() == ALL
    desk.refund(first)
    assert desk.has() == NONE


def test_what_a_cart_sold_once_beside_a_subscription_follows_its_first_invoice(
    desk: Desk,
) -> None:
    once = desk.price(features=[{"feature": "export"}])
    monthly = desk.price(interval="month", features=[{"feature": "seats", "value": 10}])
    opened = desk.tenant.open_cart(desk.tenant.cart(monthly, once))
    assert all(line["fulfilled_at"] is None for line in opened["lines"])
    desk.tenant.pay(opened)
    desk.tenant.sync(opened)
    desk.drain()
    assert desk.has() == ALL
    lines = desk.tenant.api.get(f"/checkout/{opened['id']}").json()["lines"]
    assert [bool(line["fulfilled_at"]) for line in lines] == [True, True]
    assert outbox_events.last(desk.project, "checkout.completed").data["lines"] == lines
    (payment,) = desk.tenant.api.get("/payments").json()["data"]
    (invoice,) = desk.tenant.api.get("/invoices").json()["data"]
    assert payment["invoice"] == invoice["id"]
    assert [each["payment"] for each in invoice["payments"]] == [payment["id"]]
    new_refund = desk.refund(payment)
    assert desk.has() == NONE
    lines = desk.tenant.api.get(f"/checkout/{opened['id']}").json()["lines"]
    assert {line["price"] for line in lines if line["revoked_at"]} == {once["id"]}
    desk.tenant.stripe.bounce(new_refund["stripe_id"])
    desk.drain()
    assert desk.has() == ALL
    lines = desk.tenant.api.get(f"/checkout/{opened['id']}").json()["lines"]
    assert not any(line["revoked_at"] for line in lines)


def test_a_first_debit_that_fails_later_takes_a_subscription_away(desk: Desk, clock: Clock) -> None:
    """Stripe goes on calling it active; nobody has paid for it."""
    opened = desk.tenant.open(desk.price(interval="month"))
    desk.tenant.pay(opened, card="pm_usBankAccount_insufficientFunds")
    desk.tenant.sync(opened)
    desk.drain()
    assert desk.has() == ALL
    (first_invoice,) = desk.tenant.api.get("/invoices").json()["data"]
    assert (first_invoice["status"], [each["status"] for each in first_invoice["payments"]]) == (
        "open",
        ["processing"],
    )
    announced = ["invoice.finalized", "invoice.updated"]  # its payment is read after it
    assert outbox_events.types(desk.project, "invoice.") == announced
    clock.advance(days=8)
    desk.drain()
    assert outbox_events.types(desk.project, "invoice.") == [
        *announced,
        "invoice.payment_failed",
        "invoice.voided",
    ]
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    (invoice,) = desk.tenant.api.get("/invoices").json()["data"]
    assert (subscription["status"], invoice["status"]) == ("active", "void")
    assert desk.has() == NONE
    assert outbox_events.types(desk.project, "entitlements") == [CHANGED, CHANGED]


def test_a_contested_renewal_holds_a_subscription_until_the_next_is_paid(
    desk: Desk, clock: Clock
) -> None:
    payment = desk.sell(desk.price(interval="month"))
    contested = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    assert desk.has() == ("held", 0)
    desk.tenant.stripe.decide(contested, "lost")
    desk.drain()
    assert desk.has() == NONE
    clock.advance(days=32)
    desk.drain()
    assert desk.has() == ALL


@pytest.mark.parametrize("days", [None, 0, 10])
def test_the_project_says_how_long_a_failed_renewal_leaves_access(
    desk: Desk, clock: Clock, days: int | None
) -> None:
    desk.project.grace_days = days
    desk.project.save()
    desk.sell(desk.price(interval="month"))
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    ends = datetime.fromisoformat(subscription["items"][0]["period_end"])
    (customer,) = desk.tenant.at_stripe("customer")
    desk.tenant.stripe.decline_payments(customer["id"])
    clock.advance(seconds=(ends - clock.now).total_seconds() + 7200)
    desk.drain()
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    assert subscription["status"] == "past_due"
    if days == 0:
        assert desk.has() == NONE
        return
    assert desk.has() == ("grace", 10)
    final_at = ends + timedelta(hours=1)  # for so long Stripe keeps the renewal's invoice a draft
    until = final_at + timedelta(days=3 if days is None else days)
    assert desk.decision("export").valid_until == until
