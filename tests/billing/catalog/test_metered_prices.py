"""Metered prices are created and sold for what a meter counts."""

import pytest

from billing.models import Price, StripeIntent, StripeMeter
from tests.billing.tenant import Tenant, order
from usage.models import Meter

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(tenant: Tenant) -> Tenant:
    for code, aggregation in (("calls", "sum"), ("peak", "max"), ("old", "count")):
        body = {"code": code, "name": code.title(), "aggregation": aggregation}
        assert tenant.api.post("/meters", body).status_code == 201
    assert tenant.api.patch("/meters/old", {"archived": True}).status_code == 200
    return tenant


def test_two_prices_of_one_meter(tenant: Tenant) -> None:
    """One meter at Stripe, named after ours, and its records are told from then on."""
    first = tenant.price(amount=3, meter="calls")
    second = tenant.price(amount=5, meter="calls", interval="year")
    assert (first["meter"], second["meter"], tenant.price()["meter"]) == ("calls", "calls", None)
    meter = Meter.objects.across_projects().get(code="calls")
    (meter_at_stripe,) = tenant.at_stripe("billing.meter")
    assert (meter_at_stripe["event_name"], meter_at_stripe["default_aggregation"]) == (
        meter.pk,
        {"formula": "sum"},
    )
    stripe_meter = StripeMeter.objects.across_projects().get()
    assert (stripe_meter.stripe_id, stripe_meter.meter_id) == (meter_at_stripe["id"], meter.pk)
    assert meter.is_forwarded
    recurring = [each["recurring"] for each in tenant.at_stripe("price")[:2]]
    assert [(each["usage_type"], each["meter"]) for each in recurring] == [
        ("metered", meter_at_stripe["id"])
    ] * 2
    assert [each["meter"] for each in tenant.api.get("/prices").json()["data"]] == [
        None,
        "calls",
        "calls",
    ]


@pytest.mark.parametrize("fault", ["timeout_after", "error_after", "reset_before"])
def test_a_meter_is_created_once_although_answers_get_lost(tenant: Tenant, fault: str) -> None:
    product = tenant.product()
    tenant.stripe.fail(fault, path="/v1/billing/meters", method="POST", times=3)
    body = {
        "product": product["id"],
        "unit_amount": {"amount": 3, "currency": "usd"},
        "interval": "month",
        "meter": "calls",
    }
    answer = tenant.api.post("/prices", body)
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe-unavailable")
    tenant.stripe.world.faults.clear()
    assert tenant.api.post("/prices", body).status_code == 201
    assert len(tenant.at_stripe("billing.meter")) == 1
    assert StripeMeter.objects.across_projects().count() == 1
    assert Price.objects.across_projects().count() == 1


def test_prices_that_cannot_be_metered_are_refused(tenant: Tenant) -> None:
    product = tenant.product()
    count = StripeIntent.objects.across_projects().count()
    for changes, status, code in (
        ({"meter": "unknown"}, 422, "meter-unknown"),
        ({"meter": "peak"}, 409, "meter-not-billable"),
        ({"meter": "old"}, 409, "meter-not-billable"),
        ({"meter": "calls", "interval": None}, 422, "invalid"),
    ):
        unit_amount = {"amount": 3, "currency": "usd"}
        body = {"product": product["id"], "unit_amount": unit_amount, "interval": "month"}
        answer = tenant.api.post("/prices", {**body, **changes})
        assert (answer.status_code, answer.json()["code"]) == (status, code), changes
    assert not Price.objects.across_projects().exists()
    assert not StripeMeter.objects.across_projects().exists()
    assert StripeIntent.objects.across_projects().count() == count


def test_a_metered_price_is_sold_without_a_quantity(tenant: Tenant) -> None:
    """Beside a flat fee on one page, in one subscription; only the fee is paid at once."""
    flat, calls = tenant.price(amount=1000), tenant.price(amount=3, meter="calls")
    refused = tenant.api.post("/checkout", order(calls, quantity=2))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    body = order(flat)
    del body["price"]
    lines = [{"price": flat["id"], "quantity": 2}, {"price": calls["id"]}]
    opened = tenant.api.post("/checkout", {**body, "lines": lines})
    assert opened.status_code == 201, opened.content
    assert opened.json()["total"]["amount"] == 2000
    assert tenant.pay(opened.json()).status == "complete"
    tenant.sync(opened.json())
    (subscription,) = tenant.api.get("/subscriptions/alice").json()["data"]
    items = {each["price"]: each["quantity"] for each in subscription["items"]}
    assert items == {flat["id"]: 2, calls["id"]: 1}
    (cart,) = [tenant.cart(flat, calls, user_id="bob")]
    assert cart["subtotal"]["amount"] == 1000
