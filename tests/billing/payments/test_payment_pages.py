"""``POST /payments`` with prices or a cart makes our payment, then the page, then the charge."""

import pytest

from billing.models import Payment
from projects.models import Project
from sandbox.deliveries import DeliveryMode
from tests.billing import outbox_events
from tests.billing.payments.payment_page_calls import (
    DECLINED,
    Drain,
    agrees_with_stripe,
    only_payment,
    request_payment,
    show,
)
from tests.billing.tenant import HOME, Json, Tenant
from tests.sandbox_stripe import Clock


def test_a_page_for_an_item_is_paid(tenant: Tenant, project: Project, drain: Drain) -> None:
    price = tenant.price(interval=None, amount=9900)
    payment = request_payment(tenant, price, reference="order-1", metadata={"order": "1"})
    assert (payment["type"], payment["status"], payment["stripe_id"]) == ("item", "pending", None)
    assert payment["detected"] == {"type": "item", "because": "No price is recurring."}
    assert (payment["amount"]["amount"], payment["client_secret"]) == (9900, None)
    assert payment["url"].startswith("http")
    page = tenant.api.get(f"/checkout/{payment['checkout']}").json()
    assert (page["url"], page["status"], page["payment"]) == (payment["url"], "open", payment["id"])
    again = request_payment(tenant, price, status=200, reference="order-1")
    assert again == payment
    other = request_payment(tenant, tenant.price(interval=None), status=409, reference="order-1")
    assert (other["code"], other["differs"]) == ("reference-reused", ["lines"])
    assert tenant.pay(page, card=DECLINED).status == "declined"
    drain()
    assert show(tenant, payment)["status"] == "failed"
    assert tenant.pay(page).status == "complete"
    synced = tenant.api.post(f"/payments/{payment['id']}/sync").json()
    assert (synced["status"], synced["url"]) == ("paid", None)
    drain()
    assert only_payment(project).stripe_id == synced["stripe_id"] is not None
    assert outbox_events.types(project, "payment.") == [
        "payment.created",
        "payment.failed",
        "payment.paid",
    ]
    assert request_payment(tenant, price, status=200, reference="order-1")["status"] == "paid"


@pytest.mark.parametrize(("seed", "card"), [(0, ""), (1, ""), (2, ""), (3, DECLINED)])
def test_a_subscription_adopts_its_first_payment(
    tenant: Tenant, project: Project, drain: Drain, seed: int, card: str
) -> None:
    """Only the invoice tells whose payment it is, in whichever order the news comes."""
    payment = request_payment(tenant, tenant.price(), reference="seat-1")
    assert (payment["type"], payment["amount"]["amount"]) == ("subscription", 2900)
    if card:
        assert tenant.pay(payment, card=card).status == "declined"
        drain()
        assert show(tenant, payment)["status"] == "pending"
    assert tenant.pay(payment).status == "complete"
    tenant.stripe.deliver(DeliveryMode(shuffled=True, seed=seed))
    drain()
    (at_stripe,) = tenant.at_stripe("payment_intent")
    row = only_payment(project)
    assert (row.pk, row.status, row.stripe_id) == (payment["id"], "paid", at_stripe["id"])
    assert (row.amount_received, row.checkout_id) == (2900, payment["checkout"])
    assert row.invoice_stripe_id == tenant.at_stripe("invoice")[0]["id"]
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]
    agrees_with_stripe()


def metered(tenant: Tenant) -> Json:
    """A price of 5 dollars a unit, of which nobody knows yet how many there will be."""
    tenant.meter("calls")
    return tenant.price(amount=500, meter="calls")


@pytest.mark.parametrize(("fixed", "due"), [(None, 0), (1900, 1900)])
def test_a_page_says_what_is_due_now(
    tenant: Tenant, project: Project, drain: Drain, fixed: int | None, due: int
) -> None:
    """Use is billed after its period: a metered price does not show its unit amount."""
    by_use = metered(tenant)
    lines = [{"price": by_use["id"]}]
    if fixed:
        lines.append({"price": tenant.price(tenant.product("Plan"), amount=fixed)["id"]})
    body = {"user_id": "alice", "lines": lines, "success_url": f"{HOME}/thanks"}
    answer = tenant.api.post("/payments", body)
    assert answer.status_code == 201, answer.content
    response_body = answer.json()
    assert (response_body["status"], response_body["amount"]["amount"]) == ("pending", due)
    assert outbox_events.last(project, "payment.created").data["amount"]["amount"] == due
    page = tenant.api.get(f"/checkout/{response_body['checkout']}").json()
    assert page["total"]["amount"] == due
    assert tenant.pay(response_body).status == "complete"
    drain()
    payment = show(tenant, response_body)
    assert (payment["status"], payment["amount"]["amount"]) == ("paid", due)
    agrees_with_stripe()


def test_a_cart_is_paid_through_a_payment(tenant: Tenant, project: Project, drain: Drain) -> None:
    """A subscription and an item together: one payment, that of the first invoice."""
    tool = tenant.price(tenant.product("Tool"), amount=500, interval=None)
    cart = tenant.cart(tenant.price(amount=2900), tool)
    body = {"cart": cart["id"], "success_url": f"{HOME}/thanks", "reference": cart["id"]}
    response_body = tenant.api.post("/payments", body).json()
    assert (response_body["type"], response_body["amount"]["amount"], response_body["user_id"]) == (
        "cart",
        3400,
        "alice",
    )
    assert response_body["detected"] == {"type": "cart", "because": "The request names a cart."}
    tenant.pay(response_body)
    drain()
    row = only_payment(project)
    assert (row.pk, row.status, row.amount_received) == (response_body["id"], "paid", 3400)
    again = tenant.api.post("/payments", body)
    assert (again.status_code, again.json()["status"]) == (200, "paid")
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]
    agrees_with_stripe()


def test_on_return_from_a_subscriptions_page(tenant: Tenant, project: Project) -> None:
    """Without a single webhook."""
    payment = request_payment(tenant, tenant.price())
    tenant.pay(payment)
    assert tenant.api.post(f"/payments/{payment['id']}/sync").json()["status"] == "paid"
    assert only_payment(project).amount_received == 2900


def test_payments_of_others_are_not_taken_for_the_pages(
    tenant: Tenant, project: Project, drain: Drain, clock: Clock
) -> None:
    """A renewal while a page for something else is open."""
    tenant.sell(tenant.price())
    drain()
    payment = request_payment(tenant, tenant.price(tenant.product("Other"), amount=500))
    clock.advance(days=31)
    drain()
    rows = Payment.objects.for_project(project).exclude(pk=payment["id"])
    assert sorted(rows.values_list("status", "amount")) == [("paid", 2900), ("paid", 2900)]
    row = Payment.objects.for_project(project).get(pk=payment["id"])
    assert (row.stripe_id, row.status) == (None, "expired")


@pytest.mark.parametrize("amount", [0, 2900])
def test_a_page_with_nothing_to_pay_is_paid_without_a_stripe_payment(
    tenant: Tenant, project: Project, drain: Drain, amount: int
) -> None:
    """A free price, and a trial without a card."""
    trial = {"trial_period_days": 14, "trial_without_card": True} if amount else {}
    payment = request_payment(tenant, tenant.price(amount=amount), **trial)
    tenant.pay(payment, card=None)
    drain()
    shown_payment = show(tenant, payment)
    assert (
        shown_payment["status"],
        shown_payment["amount"]["amount"],
        shown_payment["stripe_id"],
    ) == ("paid", 0, None)
    assert shown_payment["paid_at"] is not None
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]
