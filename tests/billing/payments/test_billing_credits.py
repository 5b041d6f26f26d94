"""Invoices show Stripe's billing credits, so that their amounts add up."""

from collections.abc import Callable
from typing import Any

import pytest

from projects.models import Project
from tests.billing.invoices.test_invoice_laws import adds_up
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]


@pytest.fixture
def billed(tenant: Tenant, project: Project, clock: Clock, drain: Drain) -> Callable[..., Json]:
    """The invoice of a month in which a hundred calls were made, after a grant of credits."""

    def bill(credits: int, percent_off: str = "", *, declines: bool = False) -> Json:
        tenant.meter("calls")
        calls = tenant.price(amount=3, meter="calls")
        fields: dict[str, Any] = {}
        if percent_off:
            body = {"name": "Off", "percent_off": percent_off, "duration": "forever"}
            fields["coupon"] = tenant.api.post("/coupons", body).json()["id"]
        tenant.sell(calls, **fields)
        drain()
        customer = tenant.at_stripe("customer")[0]["id"]
        if credits:
            tenant.stripe.v1.billing.credit_grants.create(
                {
                    "customer": customer,
                    "amount": {
                        "type": "monetary",
                        "monetary": {"currency": "usd", "value": credits},
                    },
                    "applicability_config": {"scope": {"price_type": "metered"}},
                }
            )
        (meter,) = tenant.at_stripe("billing.meter")
        tenant.stripe.v1.billing.meter_events.create(
            {
                "event_name": meter["event_name"],
                "payload": {"stripe_customer_id": customer, "value": "100"},
            }
        )
        if declines:
            tenant.stripe.decline_payments(customer)
        clock.advance(days=32)
        drain()
        return next(
            each
            for each in tenant.api.get("/invoices").json()["data"]
            if each["billing_reason"] == "subscription_cycle"
        )

    return bill


@pytest.mark.parametrize(("credits", "total"), [(0, 300), (120, 180), (300, 0), (5000, 0)], ids=str)
def test_an_invoice_with_credits_adds_up(
    billed: Callable[..., Json], credits: int, total: int
) -> None:
    shown = billed(credits)
    assert shown["status"] == "paid"
    assert (shown["subtotal"]["amount"], shown["total"]["amount"]) == (300, total)
    assert shown["billing_credits"]["amount"] == 300 - total
    assert [each["billing_credits"]["amount"] for each in shown["lines"]] == [300 - total]
    adds_up(shown)


def test_credits_come_after_discounts(billed: Callable[..., Json]) -> None:
    """Stripe lists both among the credits before taxes: what a discount takes off counts once."""
    shown = billed(100, percent_off="50")
    assert (shown["discount"]["amount"], shown["billing_credits"]["amount"]) == (150, 100)
    assert shown["total"]["amount"] == 50
    adds_up(shown)


def test_an_unpaid_invoice_that_is_voided_gives_its_credits_back(
    tenant: Tenant, billed: Callable[..., Json], drain: Drain
) -> None:
    """At Stripe; the invoice goes on saying what it took off, and adds up."""
    shown = billed(120, declines=True)
    assert (shown["status"], shown["amount_due"]["amount"]) == ("open", 180)
    tenant.stripe.v1.invoices.void_invoice(shown["stripe_id"])
    drain()
    entries = tenant.stripe.v1.billing.credit_balance_transactions
    kinds = [(each.type, getattr(each, str(each.type)).type) for each in entries.list().data]
    assert kinds == [
        ("credit", "credits_application_invoice_voided"),
        ("debit", "credits_applied"),
        ("credit", "credits_granted"),
    ]
    voided = tenant.api.get(f"/invoices/{shown['id']}").json()
    assert (voided["status"], voided["billing_credits"]["amount"]) == ("void", 120)
    adds_up(voided)
