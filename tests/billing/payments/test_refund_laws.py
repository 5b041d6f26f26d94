"""No sequence of refunds and disputes returns more than was paid."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stripe import StripeError

from billing.models import Payment
from billing.stripe.snapshots import REFUND_GONE
from projects.models import Project
from sandbox.errors import StripeFailure
from tests.api_client import ApiClient
from tests.billing.tenant import Json, Tenant
from tests.factories.projects import key_of
from tests.prepared_world import forgotten

PAID = 1000
amounts = st.integers(1, PAID + 100)
steps = st.one_of(
    st.tuples(st.just("refund"), st.none() | amounts),
    st.tuples(st.just("refund at Stripe"), amounts),
    st.tuples(st.just("bounce"), st.integers(0, 5)),
    st.tuples(st.just("dispute"), amounts),
    st.tuples(st.just("decide"), st.sampled_from(["won", "lost"])),
    st.tuples(st.just("hear"), st.none()),
)


@pytest.fixture
def price(tenant: Tenant) -> Json:
    return tenant.price(tenant.product("Once"), amount=PAID, interval=None)


def sell(tenant: Tenant, price: Json, user_id: str) -> Json:
    tenant.sell(price, user_id)
    return dict(tenant.api.get("/payments", query={"user_id": user_id}).json()["data"][0])


class Counter:
    """One payment, and everybody who moves its money."""

    def __init__(self, tenant: Tenant, payment: Json) -> None:
        self.tenant, self.payment = tenant, payment
        self.stripe = tenant.stripe

    def refund(self, amount: int | None) -> None:
        body = {} if amount is None else {"amount": amount}
        answer = self.tenant.api.post(f"/payments/{self.payment['id']}/refunds", body)
        code = answer.json().get("code", "made")
        assert code in ("made", "nothing-to-refund", "stripe-refused"), answer.content

    def act(self, step: str, how: Any) -> None:
        """Raises StripeFailure or StripeError for what Stripe refuses."""
        stripe_id = self.payment["stripe_id"]
        match step:
            case "refund":
                self.refund(how)
            case "refund at Stripe":
                self.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": how})
            case "bounce":
                if refunds := self.at_stripe("refund"):
                    self.stripe.bounce(refunds[how % len(refunds)]["id"])
            case "dispute":
                self.stripe.dispute(stripe_id, amount=how)
            case "decide":
                for each in self.at_stripe("dispute"):
                    self.stripe.decide(each["id"], how)

    def at_stripe(self, kind: str) -> list[Json]:
        stripe_id = self.payment["stripe_id"]
        stripe_objects = self.tenant.at_stripe(kind)
        return [each for each in stripe_objects if each["payment_intent"] == stripe_id]

    def check(self) -> None:
        """Stripe's books and ours say the same, and nobody got more than was paid."""
        back = [each for each in self.at_stripe("refund") if each["status"] not in REFUND_GONE]
        taken = [each for each in self.at_stripe("dispute") if each["status"] != "won"]
        row = Payment.objects.across_projects().get(pk=self.payment["id"])
        assert row.amount_refunded == sum(each["amount"] for each in back)
        assert row.amount_disputed == sum(each["amount"] for each in taken)
        assert row.amount_refunded + row.amount_disputed <= row.amount_received == PAID
        rows = row.refunds.exclude(status__in=REFUND_GONE)
        assert sorted(each.amount for each in rows) == sorted(each["amount"] for each in back)


def test_any_sequence_of_refunds_returns_at_most_the_payment(
    tenant: Tenant, price: Json, drain: Callable[[], None]
) -> None:
    payment = sell(tenant, price, "buyer")

    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(steps, min_size=2, max_size=8))
    def obey(taken: list[tuple[str, Any]]) -> None:
        with forgotten(tenant.stripe):
            counter = Counter(tenant, payment)
            for step, how in taken:
                with suppress(StripeFailure, StripeError):
                    counter.act(step, how)
                if step == "hear":
                    drain()
            drain()
            counter.check()

    obey()


@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_refunds_return_at_most_the_payment(
    tenant: Tenant, project: Project, price: Json, drain: Callable[[], None]
) -> None:
    """Each for a part, some for all that is left, some twice under one key: Stripe's count is the
    limit, whoever is told no is told why, and no row is left of what was refused."""
    payment = sell(tenant, price, "alice")
    key, chosen = key_of(project), random.Random(7)
    requests = [
        (chosen.choice([None, 90, 130, 210]), f"key-{number // 2 if number < 8 else number}")
        for number in range(20)
    ]
    for place in range(1, 8, 2):
        requests[place] = requests[place - 1]

    def ask(request: tuple[int | None, str]) -> tuple[int, str]:
        amount, name = request
        try:
            answer = ApiClient(key).post(
                f"/payments/{payment['id']}/refunds",
                {} if amount is None else {"amount": amount},
                headers={"Idempotency-Key": name},
            )
            return answer.status_code, answer.json().get("code", "made")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(ask, requests))
    drain()
    assert {status for status, _ in answers} <= {201, 409, 503}
    codes = {code for status, code in answers if status == 409}
    assert codes <= {"nothing-to-refund", "idempotency-key-in-flight"}
    counter = Counter(tenant, payment)
    counter.check()
    counter.refund(None)
    drain()
    counter.check()
    body = tenant.api.get(f"/payments/{payment['id']}").json()
    assert (body["status"], body["amount_refunded"]["amount"]) == ("refunded", PAID)
