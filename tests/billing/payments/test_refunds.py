"""``/payments/{id}/refunds`` refunds at most what was paid, once per request."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Refund
from events.models import AuditEntry
from projects.models import Project
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock


@pytest.fixture
def payment(tenant: Tenant, project: Project) -> Json:
    """99 dollars that Alice paid for the right to export."""
    tenant.feature(project, "export")
    product = tenant.product("Export", features=[{"feature": "export"}])
    checkout = tenant.sell(tenant.price(product, amount=9900, interval=None))
    return dict(tenant.api.get(f"/payments/{checkout['payment']}").json())


def refund(tenant: Tenant, payment: Json, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return tenant.api.post(f"/payments/{payment['id']}/refunds", body, headers=headers)


def allowed(tenant: Tenant) -> bool:
    query = {"user_id": "alice", "feature": "export"}
    return bool(tenant.api.get("/entitlements/check", query=query).json()["allowed"])


@pytest.mark.django_db(transaction=True)
def test_a_full_refund_takes_access_away(tenant: Tenant, payment: Json) -> None:
    assert allowed(tenant)
    response = refund(tenant, payment, reason="requested_by_customer", metadata={"ticket": "7"})
    assert response.status_code == 201
    (at_stripe,) = tenant.at_stripe("refund")
    assert response.json() == {
        "id": response.json()["id"],
        "payment": payment["id"],
        "status": "succeeded",
        "amount": {"amount": 9900, "currency": "usd"},
        "lines": [],
        "reason": "requested_by_customer",
        "failure_reason": None,
        "metadata": {"ticket": "7"},
        "stripe_id": at_stripe["id"],
        "refunded_at": response.json()["refunded_at"],
    }
    assert at_stripe["metadata"]["ticket"] == "7"
    body = tenant.api.get(f"/payments/{payment['id']}").json()
    assert (body["status"], body["amount_refunded"]["amount"]) == ("refunded", 9900)
    assert body["refunds"] == [response.json()]
    assert not allowed(tenant)


@pytest.mark.django_db(transaction=True)
def test_a_partial_refund_keeps_access(tenant: Tenant, payment: Json) -> None:
    assert refund(tenant, payment, amount=900).json()["amount"]["amount"] == 900
    body = tenant.api.get(f"/payments/{payment['id']}").json()
    assert (body["status"], body["amount_refunded"]["amount"]) == ("partially_refunded", 900)
    assert allowed(tenant)
    assert refund(tenant, payment).json()["amount"]["amount"] == 9000
    assert not allowed(tenant)


def test_a_refund_never_exceeds_what_is_left(tenant: Tenant, payment: Json) -> None:
    refund(tenant, payment, amount=9000)
    refused = refund(tenant, payment, amount=901)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")
    assert refused.json()["refundable"] == {"amount": 900, "currency": "usd"}
    assert refund(tenant, payment, amount=900).status_code == 201
    assert refund(tenant, payment).json()["code"] == "nothing-to-refund"
    assert sum(each["amount"] for each in tenant.at_stripe("refund")) == 9900


def test_a_refund_made_in_the_dashboard_counts(tenant: Tenant, payment: Json) -> None:
    tenant.stripe.v1.refunds.create({"payment_intent": payment["stripe_id"], "amount": 9900})
    assert refund(tenant, payment).json()["code"] == "nothing-to-refund"


def test_what_has_not_been_paid_is_not_refunded(tenant: Tenant) -> None:
    opened = tenant.open(tenant.price(interval=None))
    tenant.pay(opened, card="4000000000000002")
    (intent,) = tenant.at_stripe("payment_intent")
    tenant.sync(opened)
    listed = tenant.api.get("/payments").json()["data"]
    assert [(row["stripe_id"], row["status"]) for row in listed] in (
        [],
        [(intent["id"], "failed")],
        [(intent["id"], "pending")],
    )
    for row in listed:
        assert refund(tenant, row).json()["code"] == "nothing-to-refund"


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.5},
        {"amount": "all"},
        {"amount": 2**62},
        {"reason": "because"},
        {"metadata": {"tollgate_id": "ref_1"}},
        {"payment_intent": "pi_1"},
    ],
)
def test_malformed_refunds_are_refused(tenant: Tenant, payment: Json, body: dict[str, Any]) -> None:
    assert refund(tenant, payment, **body).status_code == 422
    assert tenant.at_stripe("refund") == []


@pytest.mark.parametrize(
    "fault", ["error_before", "error_after", "timeout_before", "timeout_after", "rate_limit"]
)
def test_one_refund_however_stripe_fails(
    tenant: Tenant, payment: Json, clock: Clock, fault: str
) -> None:
    """After an error inside Stripe its list decides, a minute later, whether one was made."""
    tenant.stripe.fail(fault, path="/v1/refunds", times=3)
    answers = [refund(tenant, payment, key="r-1", amount=100) for _ in range(3)]
    clock.advance(seconds=61)
    answers.append(refund(tenant, payment, key="r-1", amount=100))
    successes = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 503}
    assert len({answer.json()["id"] for answer in successes}) == 1
    for answer in answers:
        assert answer.status_code == 201 or int(answer.headers["Retry-After"]) >= 2
    assert [each["amount"] for each in tenant.at_stripe("refund")] == [100]
    assert Refund.objects.across_projects().count() == 1


@pytest.mark.parametrize("fault", ["error_after", "timeout_after", "reset_after"])
def test_a_refund_with_a_lost_answer_is_looked_up(
    tenant: Tenant, payment: Json, fault: str
) -> None:
    """Also without a key: what was given back is found and told, not given once more."""
    tenant.stripe.fail(fault, method="POST", path="/v1/refunds", times=3)
    response = refund(tenant, payment, amount=100)
    assert response.status_code == 201
    (at_stripe,) = tenant.at_stripe("refund")
    assert response.json()["stripe_id"] == at_stripe["id"]


def test_the_same_request_finishes_what_was_left_open(tenant: Tenant, payment: Json) -> None:
    """Also without a key: until there is an answer, the same is not asked for twice."""
    tenant.stripe.fail("reset_after", method="POST", path="/v1/refunds", times=3)
    tenant.stripe.fail("reset_before", method="GET", path="/v1/payment_intents/*", times=3)
    unknown = refund(tenant, payment, amount=100)
    assert (unknown.status_code, unknown.json()["code"]) == (503, "stripe-unavailable")
    assert tenant.api.get("/refunds").json()["data"] == []
    assert refund(tenant, payment, amount=100).status_code == 201
    assert len(tenant.at_stripe("refund")) == 1
    assert refund(tenant, payment, amount=100).status_code == 201
    assert len(tenant.at_stripe("refund")) == 2


def test_a_refund_overtaken_by_another_is_refused(
    tenant: Tenant, payment: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else gives the money back between our look at what is left and our request."""
    transport = tenant.stripe.transport
    send = transport.request

    def overtaken(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if url.endswith("/v1/refunds"):
            monkeypatch.undo()
            tenant.stripe.v1.refunds.create({"payment_intent": payment["stripe_id"]})
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(transport, "request", overtaken)
    refused = refund(tenant, payment, amount=100)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")
    assert refused.json()["refundable"]["amount"] == 0


def test_two_keys_are_two_refunds(tenant: Tenant, payment: Json) -> None:
    first, second = (refund(tenant, payment, key=key, amount=100).json() for key in ("a", "b"))
    assert first["id"] != second["id"]
    assert refund(tenant, payment, key="a", amount=100).json() == first
    assert len(tenant.at_stripe("refund")) == 2


def test_a_refund_stands_in_the_audit_trail(tenant: Tenant, payment: Json) -> None:
    refund(tenant, payment, amount=100, reason="duplicate")
    entry = AuditEntry.objects.get(action="payment.refund")
    assert (entry.subject, entry.after["amount"], entry.after["reason"]) == (
        payment["id"],
        100,
        "duplicate",
    )


@pytest.mark.django_db(transaction=True)
def test_a_refund_that_waits_is_called_off(
    tenant: Tenant, neighbour: Tenant, payment: Json, drain: Callable[[], None]
) -> None:
    body = refund(tenant, payment).json()
    path = f"/refunds/{body['id']}/cancel"
    refused = tenant.api.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "refund-not-cancelable")
    tenant.stripe.ask_for_details(body["stripe_id"])
    drain()
    assert tenant.api.get(f"/refunds/{body['id']}").json()["status"] == "requires_action"
    assert neighbour.api.post(path).status_code == 404
    assert not allowed(tenant)
    for _ in range(2):
        canceled = tenant.api.post(path, headers={"Idempotency-Key": "c-1"})
        assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert allowed(tenant)
    assert tenant.api.post(path).json()["code"] == "refund-not-cancelable"
    response_body = tenant.api.get(f"/payments/{payment['id']}").json()
    assert (response_body["status"], response_body["amount_refunded"]["amount"]) == ("paid", 0)
    entry = AuditEntry.objects.get(action="refund.cancel")
    assert entry.subject == body["id"]


def test_refunds_are_listed(tenant: Tenant, neighbour: Tenant, payment: Json) -> None:
    bodies = [refund(tenant, payment, amount=amount).json() for amount in (100, 200)]
    newest = bodies[::-1]
    for query, payment_ids in (
        ({}, newest),
        ({"payment": payment["id"]}, newest),
        ({"user_id": "alice", "status": "succeeded"}, newest),
        ({"user_id": "bob"}, []),
        ({"status": "failed"}, []),
        ({"limit": "1"}, newest[:1]),
    ):
        assert tenant.api.get("/refunds", query=query).json()["data"] == payment_ids, query
    for query in ({"payment": "pi_1"}, {"status": "lost"}, {"charge": "ch_1"}):
        assert tenant.api.get("/refunds", query=query).status_code == 422
    assert tenant.api.get(f"/refunds/{bodies[0]['id']}").json() == bodies[0]
    assert neighbour.api.get("/refunds").json()["data"] == []
    assert neighbour.api.get(f"/refunds/{bodies[0]['id']}").status_code == 404


def test_payments_are_filtered(tenant: Tenant, payment: Json) -> None:
    def payment_ids(**query: str) -> list[str]:
        rows = tenant.api.get("/payments", query=query).json()["data"]
        return [row["id"] for row in rows]

    assert payment_ids() == payment_ids(user_id="alice") == [payment["id"]]
    assert payment_ids(checkout=payment["checkout"], status="paid") == [payment["id"]]
    assert payment_ids(user_id="bob") == payment_ids(status="refunded") == []
    for query in ({"status": "lost"}, {"checkout": "cs_test_1"}, {"user": "alice"}):
        assert tenant.api.get("/payments", query=query).status_code == 422


def test_a_neighbours_payment_is_not_found(
    tenant: Tenant, neighbour: Tenant, payment: Json
) -> None:
    path = f"/payments/{payment['id']}"
    for response in (neighbour.api.get(path), neighbour.api.post(f"{path}/refunds")):
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert tenant.at_stripe("refund") == []
