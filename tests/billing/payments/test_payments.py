"""``POST /payments`` with an amount makes one Stripe call and one payment per reference."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing.models import Payment, StripeCustomer, StripeIntent
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing import outbox_events
from tests.billing.tenant import HOME, Json, Tenant
from tests.factories.projects import key_of

Drain = Callable[[], None]
RETURN = f"{HOME}/thanks"


def intent(**body: Any) -> Json:
    return {"user_id": "alice", "amount": {"amount": 2900, "currency": "usd"}, **body}


def take(tenant: Tenant, **body: Any) -> Json:
    response = tenant.api.post("/payments", intent(**body))
    assert response.status_code == 201, response.content
    return dict(response.json())


def confirm(tenant: Tenant, payment: Json, card: str = "pm_card_visa", **fields: Any) -> Any:
    """The front end's part, with the client secret's intent."""
    id_, _, _ = payment["client_secret"].partition("_secret_")
    body: Any = {"payment_method": card, "return_url": RETURN, **fields}
    return tenant.stripe.v1.payment_intents.confirm(id_, body)


def calls(tenant: Tenant) -> list[str]:
    """Every request to Stripe from here on."""
    send, seen = tenant.stripe.transport.request, []

    def count(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(f"{method.upper()} {url.partition('/v1')[2].partition('?')[0]}")
        return send(method, url, *args, **kwargs)

    tenant.stripe.transport.request = count  # type: ignore[method-assign]
    return seen


def test_an_amount_is_ready_to_be_paid_after_one_call(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    stripe_calls = calls(tenant)
    payment = take(tenant, description="Agent run", metadata={"run": "7"})
    assert stripe_calls == ["POST /payment_intents"]
    (at_stripe,) = tenant.at_stripe("payment_intent")
    assert payment == {
        "id": payment["id"],
        "type": "intent",
        "detected": {"type": "intent", "because": "The request names an amount and no price."},
        "status": "pending",
        "customer": payment["customer"],
        "user_id": "alice",
        "checkout": None,
        "invoice": None,
        "reference": None,
        "workflow_id": None,
        "description": "Agent run",
        "amount": {"amount": 2900, "currency": "usd"},
        "amount_received": {"amount": 0, "currency": "usd"},
        "amount_refunded": {"amount": 0, "currency": "usd"},
        "refunded_lines": [],
        "amount_disputed": {"amount": 0, "currency": "usd"},
        "failure": None,
        "refunds": [],
        "disputes": [],
        "fraud_warnings": [],
        "off_session": False,
        "save_payment_method": False,
        "payment_method_type": None,
        "metadata": {"run": "7"},
        "stripe_id": at_stripe["id"],
        "expires_at": None,
        "expired_at": None,
        "paid_at": None,
        "created_at": payment["created_at"],
        "url": None,
        "client_secret": at_stripe["client_secret"],
        "publishable_key": None,
    }
    assert (at_stripe["customer"], at_stripe["description"]) == (None, "Agent run")
    assert at_stripe["metadata"] == {"run": "7", "tollgate_id": payment["id"]}
    assert at_stripe["automatic_payment_methods"]["enabled"] is True
    assert not StripeCustomer.objects.for_project(project).exists()
    assert outbox_events.types(project, "payment.") == ["payment.created"]
    drain()
    confirm(tenant, payment)
    drain()
    paid = tenant.api.get(f"/payments/{payment['id']}").json()
    assert (paid["status"], paid["amount_received"]["amount"]) == ("paid", 2900)
    assert paid["payment_method_type"] == "card"
    assert outbox_events.types(project) == ["customer.created", "payment.created", "payment.paid"]


def test_the_secret_is_kept_from_everybody_else(
    tenant: Tenant, project: Project, drain: Drain, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    payment = take(tenant)
    drain()
    row = Payment.objects.for_project(project).get()
    secret = payment["client_secret"]
    assert secret not in row.client_secret
    assert row.client_secret
    reader = ApiClient(key_of(project, scopes=["payments:read"]))
    assert reader.get(f"/payments/{payment['id']}").json()["client_secret"] is None
    assert tenant.api.get(f"/payments/{payment['id']}").json()["client_secret"] == secret
    assert reader.post("/payments", intent()).status_code == 403
    event_texts = [str(each.data) + str(each.previous) for each in outbox_events.events(project)]
    listed = tenant.api.get("/payments").content.decode()
    kept = [str(vars(each)) for each in StripeIntent.objects.for_project(project)]
    assert "/api/v1/payments" in caplog.text
    for text in (*event_texts, listed, *kept, caplog.text):
        assert secret not in text
    assert "client_secret" not in listed


def test_a_customer_of_stripes_is_named(tenant: Tenant) -> None:
    tenant.sell(tenant.price(interval=None))
    stripe_calls = calls(tenant)
    take(tenant)
    assert stripe_calls == ["POST /payment_intents"]
    (buyer,) = tenant.at_stripe("customer")
    assert tenant.at_stripe("payment_intent")[-1]["customer"] == buyer["id"]
    stripe_calls.clear()
    take(tenant, user_id="bob", save_payment_method=True)
    assert stripe_calls == ["POST /customers", "POST /payment_intents"]
    saved = tenant.at_stripe("payment_intent")[-1]
    assert saved["setup_future_usage"] == "off_session"
    assert saved["customer"] == tenant.at_stripe("customer")[-1]["id"]


def test_a_reference_is_one_payment_for_life(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    payment = take(tenant, reference="order-1")
    again = tenant.api.post(
        "/payments", intent(type="intent", reference="order-1"), headers={"Idempotency-Key": "k"}
    )
    assert (again.status_code, again.json()) == (200, payment)
    wrong = [
        (intent(reference="order-1", amount={"amount": 2901, "currency": "usd"}), ["amount"]),
        (intent(reference="order-1", amount={"amount": 2900, "currency": "eur"}), ["currency"]),
        (intent(reference="order-1", user_id="bob"), ["user_id"]),
        (
            {
                "user_id": "alice",
                "price": tenant.price(interval=None)["id"],
                "success_url": RETURN,
                "reference": "order-1",
            },
            ["type"],
        ),
    ]
    for body, differs in wrong:
        refused = tenant.api.post("/payments", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "reference-reused")
        assert (refused.json()["differs"], refused.json()["payment"]) == (differs, payment["id"])
        assert differs[0] in refused.json()["detail"]
    confirm(tenant, payment)
    drain()
    paid = tenant.api.post("/payments", intent(reference="order-1"))
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")
    assert paid.json()["client_secret"] == payment["client_secret"]
    assert len(tenant.at_stripe("payment_intent")) == 1
    assert outbox_events.types(project) == [
        "customer.created",
        "payment.created",
        "product.created",
        "price.created",
        "payment.paid",
    ]
    listed = tenant.api.get("/payments", query={"reference": "order-1"}).json()["data"]
    assert [each["id"] for each in listed] == [payment["id"]]


def test_a_payment_has_a_query_budget(tenant: Tenant) -> None:
    """A payment that is made, and one that is found by its reference."""
    counted = []
    for reference in ("warm", "order-1", "order-1"):
        with CaptureQueriesContext(connection) as captured:
            assert tenant.api.post("/payments", intent(reference=reference)).status_code < 300
        counted.append(len(captured))
    assert counted[1] <= 62, "savepoints of the test among them"
    assert counted[2] <= 9


def test_a_reference_is_the_projects_own(tenant: Tenant, neighbour: Tenant) -> None:
    first, second = take(tenant, reference="1"), take(neighbour, reference="1")
    assert first["id"] != second["id"]
    assert len(tenant.at_stripe("payment_intent")) == 2


@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_requests_make_one_payment(tenant: Tenant, project: Project) -> None:
    def ask(number: int) -> tuple[int, str, str]:
        try:
            body = (
                intent(reference="order-1")
                if number % 5
                else intent(reference="order-1", type="intent")
            )
            response = ApiClient(tenant.api.key).post("/payments", body)
            response_body = response.json()
            return response.status_code, response_body["id"], response_body["client_secret"]
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    (at_stripe,) = tenant.at_stripe("payment_intent")
    row = Payment.objects.for_project(project).get()
    assert {each[1:] for each in answers} == {(row.pk, at_stripe["client_secret"])}
    assert sorted({each[0] for each in answers}) == [200, 201]
    assert outbox_events.types(project, "payment.") == ["payment.created"]


def test_the_same_request_returns_the_same_payment(tenant: Tenant) -> None:
    """With an Idempotency-Key it is the same payment; without one it is one more."""
    headers = {"Idempotency-Key": "k-1"}
    first, again = (tenant.api.post("/payments", intent(), headers=headers) for _ in range(2))
    assert (first.status_code, again.json()) == (201, first.json())
    assert take(tenant)["id"] != take(tenant)["id"]
    assert len(tenant.at_stripe("payment_intent")) == 3


@pytest.mark.parametrize(
    "fault", ["error_before", "error_after", "timeout_before", "timeout_after", "rate_limit"]
)
def test_one_intent_however_stripe_fails(
    tenant: Tenant, project: Project, drain: Drain, fault: str
) -> None:
    tenant.stripe.fail(fault, method="POST", path="/v1/payment_intents", times=3)
    body = intent(reference="order-1")
    answers = [tenant.api.post("/payments", body) for _ in range(3)]
    assert {each.status_code for each in answers} <= {200, 201, 503}
    drain()
    bodies = [each.json() for each in answers if each.status_code < 300]
    assert len({(each["id"], each["client_secret"]) for each in bodies}) <= 1
    assert len(tenant.at_stripe("payment_intent")) <= 1
    assert outbox_events.types(project, "payment.") in ([], ["payment.created"])


def test_an_event_before_the_answer_is_applied(
    tenant: Tenant, project: Project, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also paid before we have the answer: what is known already is not undone."""
    transport = tenant.stripe.transport
    send = transport.request

    def overtaken(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        answer = send(method, url, *args, **kwargs)
        if method == "post" and url.endswith("/v1/payment_intents"):
            monkeypatch.undo()
            (at_stripe,) = tenant.at_stripe("payment_intent")
            confirm(tenant, at_stripe)
            drain()
        return answer

    monkeypatch.setattr(transport, "request", overtaken)
    payment = take(tenant)
    assert (payment["status"], payment["client_secret"] is not None) == ("paid", True)
    drain()
    assert outbox_events.types(project, "payment.") == ["payment.created", "payment.paid"]


def test_what_stripe_refuses_leaves_nothing(tenant: Tenant, project: Project) -> None:
    refused = tenant.api.post("/payments", intent(amount={"amount": 1, "currency": "usd"}))
    assert (refused.status_code, refused.json()["code"]) == (409, "stripe-refused")
    assert refused.json()["stripe_code"] == "amount_too_small"
    assert not Payment.objects.for_project(project).exists()
    assert outbox_events.types(project, "payment.") == []


def test_a_client_secret_comes_with_the_key_that_stripe_js_needs(
    tenant: Tenant, project: Project, settings: Settings
) -> None:
    key = "pk_test_51Platform"
    settings.BILLING = replace(settings.BILLING, stripe_publishable_key=key)
    payment = take(tenant)
    path = f"/payments/{payment['id']}"
    reader = ApiClient(key_of(project, scopes=["payments:read"]))
    answers = [payment, tenant.api.get(path).json(), tenant.api.post(f"{path}/sync").json()]
    assert [answer["publishable_key"] for answer in answers] == [key] * 3
    assert reader.get(path).json()["publishable_key"] is None, "nothing to use it with"
