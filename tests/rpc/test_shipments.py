"""LogiSynapse's ``billing.BillingService``."""

from collections.abc import Callable

import grpc
import pytest

from billing.models import Payment
from billing.models.payment import PaymentStatus
from billing.representation.shipments import STATUSES
from projects.models import Project
from rpc.shipments import reference_of
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient, RpcRefusal
from tests.sandbox_stripe import SandboxStripe

Code = grpc.StatusCode
CREATE, GET = "billing.BillingService/CreateInvoice", "billing.BillingService/GetInvoice"
ORDER = {
    "workflow_id": "ship-1/run 2",
    "shipment_id": "SH-7",
    "customer_id": "alice",
    "amount": 4200,
}


def refusal(client: RpcClient, method: str, values: dict[str, object]) -> RpcRefusal:
    with pytest.raises(RpcRefusal) as raised:
        client.call(method, values)
    return raised.value


def test_an_invoice_is_a_payment_that_names_workflow_and_shipment(
    rpc: RpcClient, stripe: SandboxStripe
) -> None:
    invoice = rpc.call(CREATE, ORDER)
    row = Payment.objects.across_projects().get(pk=invoice["id"])
    assert invoice["stripe_client_secret"].startswith("pi_")
    assert (invoice["status"], invoice["amount"], invoice["currency"]) == ("PENDING", "4200", "usd")
    assert (invoice["workflow_id"], invoice["shipment_id"], invoice["customer_id"]) == (
        "ship-1/run 2",
        "SH-7",
        "alice",
    )
    assert (row.type, row.workflow_id, row.metadata) == (
        "intent",
        "ship-1/run 2",
        {"shipment_id": "SH-7"},
    )
    assert row.expires_at is not None
    assert round((row.expires_at - row.created_at).total_seconds() / 3600) == 24


def test_the_same_workflow_and_shipment_have_one_invoice(
    rpc: RpcClient, stripe: SandboxStripe
) -> None:
    first = rpc.call(CREATE, ORDER)
    assert rpc.call(CREATE, ORDER) == first
    other = rpc.call(CREATE, {**ORDER, "workflow_id": "ship-2"})
    assert other["id"] != first["id"]
    error = refusal(rpc, CREATE, {**ORDER, "amount": 1})
    assert (error.code, error.reason) == (Code.FAILED_PRECONDITION, "reference-reused")


def test_the_newest_invoice_of_a_shipment_is_shown(rpc: RpcClient, stripe: SandboxStripe) -> None:
    rpc.call(CREATE, ORDER)
    rpc.call(CREATE, {**ORDER, "shipment_id": "SH-8"})
    newest = rpc.call(CREATE, {**ORDER, "workflow_id": "ship-2"})
    assert rpc.call(GET, {"shipment_id": "SH-7"}) == newest


def test_an_invoice_is_paid_when_its_payment_is(
    rpc: RpcClient, stripe: SandboxStripe, drain: Callable[[], None]
) -> None:
    invoice = rpc.call(CREATE, ORDER)
    row = Payment.objects.across_projects().get(pk=invoice["id"])
    stripe.v1.payment_intents.confirm(
        str(row.stripe_id), {"payment_method": "pm_card_visa", "return_url": "https://x.example"}
    )
    drain()
    paid = rpc.call(GET, {"shipment_id": "SH-7"})
    assert (paid["status"], "paid_at" in paid) == ("PAID", True)


def test_every_status_of_a_payment_has_one_of_the_plan() -> None:
    assert STATUSES.keys() == set(PaymentStatus)
    assert set(STATUSES.values()) == {"PENDING", "PAID", "FAILED"}


def test_missing_and_wrong_fields_have_the_names_of_the_plan(
    rpc: RpcClient, stripe: SandboxStripe
) -> None:
    error = refusal(rpc, CREATE, {})
    assert (error.code, error.fields) == (
        Code.INVALID_ARGUMENT,
        ["workflow_id", "shipment_id", "customer_id"],
    )
    assert refusal(rpc, CREATE, {**ORDER, "amount": 0}).fields == ["amount"]
    assert refusal(rpc, CREATE, {**ORDER, "customer_id": "x" * 300}).fields == ["customer_id"]
    assert refusal(rpc, GET, {}).fields == ["shipment_id"]
    for method in (CREATE, GET):
        error = refusal(rpc, method, {**(ORDER if method == CREATE else {}), "shipment_id": "S\0"})
        assert (error.code, error.fields) == (Code.INVALID_ARGUMENT, ["shipment_id"])


def test_a_project_without_a_currency_cannot_have_invoices(
    rpc: RpcClient, project: Project, stripe: SandboxStripe
) -> None:
    Project.objects.filter(pk=project.pk).update(default_currency="")
    error = refusal(rpc, CREATE, ORDER)
    assert (error.code, error.fields) == (Code.INVALID_ARGUMENT, ["amount"])


def test_another_project_has_no_invoice_of_the_shipment(
    client: Callable[[str], RpcClient],
    rpc: RpcClient,
    other_project: Project,
    stripe: SandboxStripe,
) -> None:
    rpc.call(CREATE, ORDER)
    error = refusal(client(key_of(other_project)), GET, {"shipment_id": "SH-7"})
    assert (error.code, error.message) == (Code.NOT_FOUND, "No invoice of this shipment.")


def test_references_of_different_pairs_differ() -> None:
    long = "x" * 300
    pairs = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), (long, "c"), (long, "d")]
    references = {reference_of(*pair) for pair in pairs}
    assert len(references) == len(pairs)
    assert max(map(len, references)) <= 255
