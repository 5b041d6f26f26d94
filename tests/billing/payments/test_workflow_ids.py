"""A payment names the workflow that waits for it: in its body, in its events and at Stripe."""

from dataclasses import asdict
from typing import Any

import pytest

from billing.models import Payment
from billing.outbound import request_dedup
from billing.payments.payment_requests import PaymentRequest
from billing.stripe import workflow_ids
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.payments.payment_page_calls import Drain, request_payment
from tests.billing.tenant import Json, Tenant

AMOUNT = {"amount": 2900, "currency": "usd"}


def intent(workflow_id: Any = "order-7", **body: Any) -> Json:
    return {"user_id": "alice", "amount": AMOUNT, "workflow_id": workflow_id, **body}


def test_an_amount_keeps_its_workflow(tenant: Tenant, project: Project) -> None:
    answer = tenant.api.post("/payments", intent(metadata={"run": "7"}))
    assert (answer.status_code, answer.json()["workflow_id"]) == (201, "order-7")
    assert answer.json()["metadata"] == {"run": "7"}
    (at_stripe,) = tenant.at_stripe("payment_intent")
    assert at_stripe["metadata"]["tollgate_workflow_id"] == "order-7"
    created = outbox_events.last(project, "payment.created").data
    assert created["workflow_id"] == "order-7"
    listed = tenant.api.get("/payments", query={"workflow_id": "order-7"}).json()["data"]
    assert [each["id"] for each in listed] == [answer.json()["id"]]
    assert tenant.api.get("/payments", query={"workflow_id": "order-8"}).json()["data"] == []


@pytest.mark.parametrize("interval", [None, "month"])
def test_a_page_keeps_its_payments_workflow(
    tenant: Tenant, project: Project, drain: Drain, interval: str | None
) -> None:
    payment = request_payment(tenant, tenant.price(interval=interval), workflow_id="order-7")
    (session,) = tenant.at_stripe("checkout.session")
    assert session["metadata"]["tollgate_workflow_id"] == "order-7"
    assert tenant.pay(payment).status == "complete"
    drain()
    row = Payment.objects.for_project(project).get()
    assert (row.status, row.workflow_id, row.metadata) == ("paid", "order-7", {})
    checkout = tenant.api.get(f"/checkout/{payment['checkout']}").json()
    assert checkout["metadata"] == {}


def test_a_payment_that_we_lost_gets_its_workflow_from_stripe(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    """As after a restore of the database: the metadata at Stripe names it."""
    payment = tenant.api.post("/payments", intent()).json()
    Payment.objects.for_project(project).update(workflow_id="")
    tenant.api.post(f"/payments/{payment['id']}/sync")
    assert Payment.objects.for_project(project).get().workflow_id == "order-7"


def test_a_reference_keeps_the_first_workflow(tenant: Tenant) -> None:
    first = tenant.api.post("/payments", intent(reference="order-7"))
    again = tenant.api.post("/payments", intent("order-8", reference="order-7"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_a_request_without_a_workflow_keeps_its_key(tenant: Tenant, project: Project) -> None:
    """A request from before the field existed is still recognised when it is repeated."""
    tenant.api.post("/payments", {"user_id": "alice", "amount": AMOUNT})
    row = Payment.objects.for_project(project).get()
    fields = asdict(PaymentRequest(user_id="alice", amount=2900, currency="usd"))
    del fields["workflow_id"]
    assert row.request_key == request_dedup.request_key("", "payment", row.customer_id, fields)


@pytest.mark.parametrize(
    "hostile",
    ["", " ", " order-7", "order-7\n", "a\x1b[2Jb", "a\u202eb", "x" * 251, True, None, ["a"]],
)
def test_what_cannot_name_a_workflow_is_refused(
    tenant: Tenant, project: Project, hostile: Any
) -> None:
    answer = tenant.api.post("/payments", intent(hostile))
    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"][0]["pointer"] == "#/workflow_id"
    assert not Payment.objects.for_project(project).exists()
    assert tenant.at_stripe("payment_intent") == []


def test_the_longest_workflow_id_is_taken(tenant: Tenant) -> None:
    longest = "\N{GRINNING FACE}" * workflow_ids.MAX_LENGTH
    answer = tenant.api.post("/payments", intent(longest))
    assert (answer.status_code, answer.json()["workflow_id"]) == (201, longest)


def test_metadata_leaves_room_for_the_workflow(tenant: Tenant) -> None:
    pairs = {f"k{number}": "v" for number in range(49)}
    assert tenant.api.post("/payments", intent(metadata=pairs)).status_code == 422
    pairs.pop("k0")
    assert tenant.api.post("/payments", intent(metadata=pairs)).status_code == 201


def test_what_others_write_at_stripe_is_no_workflow() -> None:
    assert workflow_ids.read({"tollgate_workflow_id": "a\nb"}) == ""
    assert workflow_ids.read({"tollgate_workflow_id": "order-7"}) == "order-7"
