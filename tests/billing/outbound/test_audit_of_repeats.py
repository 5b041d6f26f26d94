"""A change sent again under its ``Idempotency-Key`` leaves one audit entry."""

from typing import Any

import pytest

from events.models import AuditEntry
from tests.billing.tenant import Json, Tenant

ONCE = {"Idempotency-Key": "change-1"}
TRIES = 3
ASKED_EACH_TRY = 3
"""Requests of the SDK to Stripe for one of ours, at most."""


def entries(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


@pytest.fixture
def subscribed(tenant: Tenant) -> Json:
    price = tenant.price()
    tenant.sell(price, "ada")
    return price


CHANGES = {
    "product.change": ("PATCH", "/products/{product}", {"name": "Renamed"}),
    "price.change": ("PATCH", "/prices/{price}", {"active": False}),
    "coupon.change": ("PATCH", "/coupons/{coupon}", {"name": "Renamed"}),
    "promotion_code.change": ("PATCH", "/promotion-codes/{code}", {"active": False}),
    "subscription.pause": ("POST", "/subscriptions/ada/{product}/pause", {}),
    "subscription.cancel": ("DELETE", "/subscriptions/ada/{product}", None),
}


@pytest.mark.parametrize("action", CHANGES)
def test_three_tries_of_one_change_leave_one_audit_entry(
    tenant: Tenant, subscribed: Json, action: str
) -> None:
    coupon = tenant.api.post("/coupons", {"percent_off": "25"}).json()
    code = tenant.api.post("/promotion-codes", {"coupon": coupon["id"]}).json()
    method, path, body = CHANGES[action]
    path = path.format(
        product=subscribed["product"], price=subscribed["id"], coupon=coupon["id"], code=code["id"]
    )

    def change(key: str) -> Any:
        return tenant.api.request(method, path, body, headers={"Idempotency-Key": key})

    before = entries(action)
    tenant.stripe.fail("timeout_before", method="POST", times=(TRIES - 1) * ASKED_EACH_TRY)
    tenant.stripe.fail("timeout_before", method="DELETE", times=(TRIES - 1) * ASKED_EACH_TRY)
    answers = [change("change-1").status_code for _ in range(TRIES * 2)]

    assert answers[0] == 503
    assert answers[-1] == 200
    assert entries(action) == before + 1
    if action not in ("subscription.pause", "subscription.cancel"):
        assert change("change-2").status_code == 200
        assert entries(action) == before + 2
