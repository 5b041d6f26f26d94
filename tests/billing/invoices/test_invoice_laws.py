"""``/invoices``: the lines and payments of every invoice add up to its totals."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock
from tests.shop import Shop

Drain = Callable[[], None]

HOMES: list[Any] = [{"country": "US", "state": "CA"}, {"country": "DE"}, {"country": "FR"}]
COUPONS: list[Any] = [
    None,
    {"percent_off": 33.33, "duration": "forever"},
    {"percent_off": 100, "duration": "once"},
    {"amount_off": 701, "currency": "usd", "duration": "forever"},
]
AMOUNTS = (
    "subtotal", "discount", "billing_credits", "tax", "total",
    "amount_due", "amount_paid", "amount_remaining", "amount_credited",
)  # fmt: skip


def amounts(rows: list[Json], name: str = "amount") -> int:
    return sum(row[name]["amount"] for row in rows)


def adds_up(shown: Json) -> None:
    of = {name: shown[name]["amount"] for name in AMOUNTS}
    added = [tax for tax in shown["taxes"] if tax["behavior"] == "exclusive"]
    assert amounts(shown["lines"]) == of["subtotal"]
    assert amounts(shown["lines"], "discount") == amounts(shown["discounts"]) == of["discount"]
    assert amounts(shown["lines"], "tax") == amounts(added)
    assert amounts(shown["taxes"]) == of["tax"]
    assert amounts(shown["lines"], "billing_credits") == of["billing_credits"]
    taken_off = of["discount"] + of["billing_credits"]
    assert of["total"] == of["subtotal"] - taken_off + amounts(added)
    assert amounts(shown["payments"]) == of["amount_paid"]
    assert amounts(shown["credit_notes"]) == of["amount_credited"]
    if shown["status"] == "paid":
        assert of["amount_due"] == of["amount_paid"]
        assert of["amount_remaining"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_lines_add_up_to_totals_and_payments(
    shop: Shop, api: Any, drain: Drain, clock: Clock, seed: int
) -> None:
    """Subscriptions with discounts, taxes of both kinds, changed seats and credit notes."""
    chosen = random.Random(seed)
    v1 = shop.stripe.v1
    buyer = shop.buyer(f"buyer-{seed}")
    v1.customers.update(str(buyer.stripe_id), {"address": chosen.choice(HOMES)})
    price = v1.prices.create(
        {
            "product": str(shop.product("Seats").stripe_id),
            "currency": "usd",
            "unit_amount": chosen.randrange(99, 9999),
            "tax_behavior": chosen.choice(["inclusive", "exclusive"]),
            "recurring": {"interval": "month"},
        }
    )
    terms = chosen.choice(COUPONS)
    subscription = v1.subscriptions.create(
        {
            "customer": str(buyer.stripe_id),
            "items": [{"price": price.id, "quantity": chosen.randrange(1, 9)}],
            "automatic_tax": {"enabled": chosen.random() < 0.8},
            **({"discounts": [{"coupon": v1.coupons.create(terms).id}]} if terms else {}),
        }
    )
    (item,) = v1.subscription_items.list({"subscription": subscription.id}).data
    for _ in range(3):
        clock.advance(days=chosen.randrange(1, 20), seconds=chosen.randrange(86400))
        v1.subscription_items.update(
            item.id,
            {
                "quantity": chosen.randrange(1, 9),
                "proration_behavior": chosen.choice(["always_invoice", "create_prorations"]),
            },
        )
    clock.advance(days=40)
    drain()
    paid = [each for each in v1.invoices.list({"limit": 100}).data if each.status == "paid"]
    for each in paid[:2]:
        left = each.total - each.post_payment_credit_notes_amount
        if left > 1:
            amount = chosen.randrange(1, left)
            v1.credit_notes.create({"invoice": each.id, "amount": amount, "credit_amount": amount})
    drain()
    listed = api.get("/invoices", query={"limit": "100"}).json()["data"]
    assert len(listed) == len(v1.invoices.list({"limit": 100}).data) >= 3
    for shown in listed:
        adds_up(shown)
    event_types = outbox_events.types(shop.project, "invoice.")
    statuses = [row["status"] for row in listed]
    assert event_types.count("invoice.paid") == statuses.count("paid")
    assert event_types.count("invoice.finalized") == len(statuses) - statuses.count("draft")


@pytest.fixture
def invoice(tenant: Tenant, project: Project, drain: Drain) -> Json:
    tenant.sell(tenant.price())
    drain()
    return dict(tenant.api.get("/invoices").json()["data"][0])


def test_an_invoice_lists_the_payment_that_paid_it(tenant: Tenant, invoice: Json) -> None:
    (payment,) = tenant.api.get("/payments").json()["data"]
    assert payment["invoice"] == invoice["id"]
    assert invoice["payments"] == [
        {
            "payment": payment["id"],
            "status": "paid",
            "amount": {"amount": 2900, "currency": "usd"},
        }
    ]


def test_credit_notes_reduce_the_invoice(tenant: Tenant, invoice: Json, drain: Drain) -> None:
    credit_note = tenant.stripe.v1.credit_notes.create(
        {"invoice": invoice["stripe_id"], "amount": 900, "refund_amount": 900}
    )
    drain()
    body = tenant.api.get(f"/invoices/{invoice['id']}").json()
    (note,) = body["credit_notes"]
    assert (note["stripe_id"], note["number"], note["status"]) == (
        credit_note.id,
        credit_note.number,
        "issued",
    )
    assert note["amount"] == body["amount_credited"] == {"amount": 900, "currency": "usd"}
    (payment,) = tenant.api.get("/payments").json()["data"]
    assert (payment["status"], payment["amount_refunded"]["amount"]) == ("partially_refunded", 900)


def test_invoices_are_filtered_by_user_status_and_subscription(
    tenant: Tenant, invoice: Json, neighbour: Tenant
) -> None:
    issued = invoice["issued_at"]
    for query, is_found in (
        ({"number": invoice["number"]}, True),
        ({"number": "none"}, False),
        ({"issued_from": issued}, True),
        ({"issued_before": issued}, False),
        ({"issued_from": "2020-01-01T00:00:00Z", "issued_before": "2099-01-01T00:00:00Z"}, True),
        ({"status": "paid", "user_id": "alice", "subscription": invoice["subscription"]}, True),
        ({"user_id": "bob"}, False),
    ):
        rows = tenant.api.get("/invoices", query=query).json()["data"]
        assert rows == ([invoice] if is_found else []), query
        assert neighbour.api.get("/invoices", query=query).json()["data"] == []
    for query in ({"issued_from": "yesterday"}, {"issued": issued}, {"number": "x" * 65}):
        assert tenant.api.get("/invoices", query=query).status_code == 422


def test_the_pdf_redirects_to_stripe(tenant: Tenant, invoice: Json, neighbour: Tenant) -> None:
    path = f"/invoices/{invoice['id']}/pdf"
    sent_on = tenant.api.get(path)
    assert (sent_on.status_code, sent_on.headers["Location"]) == (302, invoice["pdf_url"])
    assert sent_on.content == b""
    assert neighbour.api.get(path).status_code == 404
    Invoice.objects.across_projects().update(pdf_url="")
    refused = tenant.api.get(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "no-document")


def test_the_query_count_of_lists_is_constant(
    tenant: Tenant, drain: Drain, project: Project
) -> None:
    price = tenant.price(tenant.product("Once"), interval=None)
    monthly = tenant.price()

    def queries() -> dict[str, int]:
        query_counts = {}
        for path in ("/payments", "/refunds", "/disputes", "/invoices"):
            with CaptureQueriesContext(connection) as captured:
                assert tenant.api.get(path).json()["data"]
            query_counts[path] = len(captured)
        return query_counts

    def sell(user_id: str) -> None:
        tenant.sell(monthly, user_id)
        tenant.sell(price, user_id)
        for payment in tenant.api.get("/payments", query={"user_id": user_id}).json()["data"]:
            refund = tenant.api.post(f"/payments/{payment['id']}/refunds", {"amount": 100})
            assert refund.status_code == 201
            tenant.stripe.dispute(payment["stripe_id"])
        drain()

    sell("one")
    before = queries()
    sell("two")
    sell("three")
    assert queries() == before
