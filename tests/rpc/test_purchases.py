"""A tenant sells over gRPC: payments, subscriptions, invoices, and repeated requests."""

from collections.abc import Callable

import grpc
import pytest

from billing.models import Payment, Price, StripeCustomer
from projects.models import Project
from tests.api_client import ApiClient
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient, RpcRefusal
from tests.sandbox_stripe import SandboxStripe
from tests.shop import RETURN, Shop

Code = grpc.StatusCode
CREATE, GET = "PaymentService/CreatePayment", "PaymentService/GetPayment"
INTENT = {"type": "intent", "user_id": "alice", "amount": {"amount": 2900, "currency": "usd"}}


def test_a_payment_is_created_shown_and_canceled(
    rpc: RpcClient, api: ApiClient, stripe: SandboxStripe
) -> None:
    order = {**INTENT, "reference": "order-1", "expires_in": 3600, "metadata": {"a": "b"}}
    payment = rpc.call(CREATE, order)["payment"]
    assert payment["client_secret"].startswith("pi_")
    assert (payment["status"], payment["amount"]) == (
        "pending",
        {"amount": "2900", "currency": "usd"},
    )
    assert rpc.call(CREATE, order)["payment"]["id"] == payment["id"]
    assert rpc.call(GET, {"id": payment["id"]})["payment"] == payment
    body = api.get(f"/payments/{payment['id']}").json()
    assert (body["metadata"], body["reference"]) == (payment["metadata"], "order-1")

    listed = rpc.call("PaymentService/ListPayments", {"user_id": "alice"})
    assert [each["id"] for each in listed["data"]] == [payment["id"]]
    canceled = rpc.call("PaymentService/CancelPayment", {"id": payment["id"]})["payment"]
    assert canceled["status"] == "canceled"


def test_pages_of_a_list_follow_each_other(rpc: RpcClient, stripe: SandboxStripe) -> None:
    ids = [
        rpc.call(CREATE, {**INTENT, "reference": f"order-{number}"})["payment"]["id"]
        for number in range(3)
    ]
    first = rpc.call("PaymentService/ListPayments", {"limit": 2})
    second = rpc.call("PaymentService/ListPayments", {"limit": 2, "cursor": first["next_cursor"]})
    assert [each["id"] for each in (*first["data"], *second["data"])] == ids[::-1]
    assert (first["has_more"], second.get("has_more"), second.get("next_cursor")) == (
        True,
        None,
        None,
    )


def test_a_reference_of_another_payment_is_refused(rpc: RpcClient, stripe: SandboxStripe) -> None:
    rpc.call(CREATE, {**INTENT, "reference": "order-1"})
    changed = {**INTENT, "reference": "order-1", "amount": {"amount": 1, "currency": "eur"}}
    with pytest.raises(RpcRefusal) as raised:
        rpc.call(CREATE, changed)
    assert (raised.value.code, raised.value.reason) == (
        Code.FAILED_PRECONDITION,
        "reference-reused",
    )


def test_a_declined_card_is_a_failed_precondition(
    rpc: RpcClient, api: ApiClient, shop: Shop
) -> None:
    shop.buyer("bob", card="pm_card_chargeCustomerFail")
    order = {**INTENT, "user_id": "bob", "off_session": True}
    with pytest.raises(RpcRefusal) as raised:
        rpc.call(CREATE, order)
    assert (raised.value.code, raised.value.reason) == (Code.FAILED_PRECONDITION, "card-declined")


def test_a_repeated_call_is_carried_out_once(rpc: RpcClient, stripe: SandboxStripe) -> None:
    key = {"idempotency-key": "call-1"}
    first, metadata = rpc.call_with_metadata(CREATE, INTENT, metadata=key)
    again, replayed = rpc.call_with_metadata(CREATE, INTENT, metadata=key)
    assert (first, Payment.objects.across_projects().count()) == (again, 1)
    assert ("idempotent-replayed" in metadata, replayed["idempotent-replayed"]) == (False, "true")

    with pytest.raises(RpcRefusal) as raised:
        rpc.call(CREATE, {**INTENT, "user_id": "bob"}, metadata=key)
    assert (raised.value.code, raised.value.reason) == (
        Code.FAILED_PRECONDITION,
        "idempotency-key-reused",
    )


def test_a_subscription_is_bought_changed_paused_and_canceled(
    rpc: RpcClient, shop: Shop, alice: StripeCustomer, monthly: Price, drain: Callable[[], None]
) -> None:
    page = rpc.call(
        "SubscriptionService/CreateSubscription",
        {"user_id": "alice", "price": monthly.pk, "quantity": 2, "success_url": RETURN},
    )["checkout"]
    assert (page["status"], page["type"]) == ("open", "subscription")
    assert page["url"].startswith("http")
    assert rpc.call("CheckoutService/ExpireCheckout", {"id": page["id"]})["checkout"]["status"] == (
        "expired"
    )

    shop.subscribe(alice, monthly)
    drain()
    listed = rpc.call("SubscriptionService/ListSubscriptions", {"user_id": "alice"})
    (row,) = listed["data"]
    named = {"user_id": "alice", "product": row["items"][0]["product"]}
    assert rpc.call("SubscriptionService/GetSubscription", named)["subscription"] == row

    preview = rpc.call("SubscriptionService/PreviewSubscriptionChange", {**named, "quantity": 3})
    assert preview["subscription"]["items"][0]["quantity"] == "3"
    changed = rpc.call("SubscriptionService/ChangeSubscription", {**named, "quantity": 3})
    assert changed["subscription"]["items"][0]["quantity"] == "3"
    assert int(changed["bill"]["amount_due"]["amount"]) > 0

    paused = rpc.call("SubscriptionService/PauseSubscription", named)["subscription"]
    assert paused["pause"] == {"behavior": "void"}
    resumed = rpc.call("SubscriptionService/ResumeSubscription", named)["subscription"]
    assert "pause" not in resumed

    canceled = rpc.call("SubscriptionService/CancelSubscription", named)["subscription"]
    assert (canceled["status"], "cancel_at" in canceled) == ("active", True)
    kept = rpc.call(
        "SubscriptionService/ChangeSubscription", {**named, "cancel_at_period_end": False}
    )["subscription"]
    assert "cancel_at" not in kept
    ended = rpc.call("SubscriptionService/CancelSubscription", {**named, "when": "now"})
    assert ended["subscription"]["status"] == "canceled"


def test_invoices_and_the_portal(
    rpc: RpcClient, shop: Shop, alice: StripeCustomer, monthly: Price, drain: Callable[[], None]
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    (invoice,) = rpc.call("InvoiceService/ListInvoices", {"user_id": "alice"})["data"]
    assert (invoice["status"], invoice["total"]["amount"]) == ("paid", "2900")
    assert rpc.call("InvoiceService/GetInvoice", {"id": invoice["id"]})["invoice"] == invoice

    assert rpc.call("SubscriptionService/GetPortalEligibility", {"user_id": "alice"}) == {
        "eligible": True
    }
    session = {"user_id": "alice", "return_url": "https://app.example.com/account"}
    assert rpc.call("SubscriptionService/CreatePortalSession", session)["url"].startswith("http")


def test_another_project_cannot_reach_a_payment(
    client: Callable[[str], RpcClient],
    rpc: RpcClient,
    other_project: Project,
    stripe: SandboxStripe,
) -> None:
    payment = rpc.call(CREATE, INTENT)["payment"]
    stranger = client(key_of(other_project))
    for method in ("GetPayment", "CancelPayment", "SyncPayment", "RefundPayment"):
        with pytest.raises(RpcRefusal) as raised:
            stranger.call(f"PaymentService/{method}", {"id": payment["id"]})
        assert (raised.value.code, raised.value.reason) == (Code.NOT_FOUND, "not-found")
    assert stranger.call("PaymentService/ListPayments") == {}
