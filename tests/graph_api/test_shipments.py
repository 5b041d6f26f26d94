"""``getInvoice``: what LogiSynapse's plan says, answered from payments."""

from typing import Any

import pytest

from billing.models import Payment
from billing.models.payment import PaymentStatus
from billing.payments.selectors import payments
from billing.representation.shipments import STATUSES
from common import crypto
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of
from tests.graph_api.client import GraphClient, Json
from tests.graph_api.rows import Rows

PLANNED = """query ($shipmentId: ID!) {
    getInvoice(shipmentId: $shipmentId) { __typename id status stripeClientSecret } }"""


def get_invoice(graph: GraphClient, shipment_id: str) -> Json | None:
    invoice: Json | None = graph.data(PLANNED, shipmentId=shipment_id)["getInvoice"]
    return invoice


@pytest.fixture
def customer(rows: Rows) -> Customer:
    return rows.customers(1)[0]


def shipment(rows: Rows, customer: Customer, shipment_id: str, **fields: Any) -> Payment:
    metadata = {"shipment_id": shipment_id, "lane": "north"}
    return rows.payment(customer, metadata=metadata, **{"type": "intent", **fields})


def test_a_payment_of_the_api_is_an_invoice(
    api: ApiClient, graph: GraphClient, stripe: SandboxStripe
) -> None:
    body = {
        "user_id": "alice",
        "amount": {"amount": 2900, "currency": "usd"},
        "metadata": {"shipment_id": "SHP-1"},
    }
    payment = api.post("/payments", body).json()

    assert payment["client_secret"].startswith("pi_")
    assert get_invoice(graph, "SHP-1") == {
        "__typename": "Invoice",
        "id": payment["id"],
        "status": "PENDING",
        "stripeClientSecret": payment["client_secret"],
    }


def test_the_newest_payment_of_the_shipment_counts(
    graph: GraphClient, rows: Rows, customer: Customer
) -> None:
    shipment(rows, customer, "SHP-1", status="failed")
    newest = shipment(rows, customer, "SHP-1", status="paid")
    shipment(rows, customer, "SHP-2")
    shipment(rows, customer, "SHP-1", type="item")

    invoice = get_invoice(graph, "SHP-1")

    assert invoice is not None
    assert (invoice["id"], invoice["status"]) == (newest.pk, "PAID")
    assert get_invoice(graph, "SHP-3") is None
    assert get_invoice(graph, "shp-1") is None


def test_every_status_has_a_word_of_the_plan(
    graph: GraphClient, rows: Rows, customer: Customer
) -> None:
    words = {}
    for status in PaymentStatus.values:
        shipment(rows, customer, f"SHP-{status}", status=status)
        invoice = get_invoice(graph, f"SHP-{status}")
        assert invoice is not None
        words[status] = invoice["status"]

    assert words == {
        "pending": "PENDING",
        "processing": "PENDING",
        "requires_action": "PENDING",
        "paid": "PAID",
        "refunded": "PAID",
        "partially_refunded": "PAID",
        "disputed": "PAID",
        "failed": "FAILED",
        "expired": "FAILED",
        "canceled": "FAILED",
    }
    assert STATUSES.keys() == set(PaymentStatus)


def test_the_secret_is_only_for_keys_that_write_payments(
    project: Project, rows: Rows, customer: Customer
) -> None:
    payment = shipment(rows, customer, "SHP-1")
    payment.client_secret = crypto.encrypt("pi_1_secret_2", context=payment.secret_context)
    payment.save()
    assert payments.decrypt_client_secret(payment) == "pi_1_secret_2"

    secrets = [
        get_invoice(GraphClient(key_of(project, scopes=scopes)), "SHP-1")
        for scopes in (["payments:read"], ["payments:read", "payments:write"])
    ]

    assert [each and each["stripeClientSecret"] for each in secrets] == [None, "pi_1_secret_2"]


def test_a_shipment_of_another_project_is_unknown(
    other_project: Project, rows: Rows, customer: Customer
) -> None:
    shipment(rows, customer, "SHP-1")

    assert get_invoice(GraphClient(key_of(other_project)), "SHP-1") is None
