"""Payments are found by the tenant's own names: reference, workflow, metadata."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Payment
from billing.payments.selectors import payments
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant

AMOUNT = {"amount": 2900, "currency": "usd"}


def take(tenant: Tenant, **body: Any) -> str:
    answer = tenant.api.post("/payments", {"user_id": "alice", "amount": AMOUNT, **body})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def ids(api: ApiClient, **query: str) -> list[str]:
    answer = api.get("/payments", query=query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["data"]]


def test_payments_are_found_by_their_metadata(tenant: Tenant, neighbour: Tenant) -> None:
    first = take(tenant, metadata={"shipment_id": "S-1", "leg": "1"})
    second = take(tenant, metadata={"shipment_id": "S-1", "leg": "2"}, reference="order-7")
    other = take(tenant, metadata={"shipment_id": "S-2"})
    foreign = take(neighbour, metadata={"shipment_id": "S-1"})

    assert ids(tenant.api, **{"metadata[shipment_id]": "S-1"}) == [second, first]
    assert ids(tenant.api, **{"metadata[shipment_id]": "S-1", "metadata[leg]": "1"}) == [first]
    assert ids(tenant.api, **{"metadata[shipment_id]": "S-2", "status": "pending"}) == [other]
    assert ids(tenant.api, **{"metadata[shipment_id]": "s-1"}) == []
    assert ids(tenant.api, **{"metadata[leg]": ""}) == []
    assert ids(tenant.api, reference="order-7") == [second]
    assert ids(neighbour.api, **{"metadata[shipment_id]": "S-1"}) == [foreign]
    assert ids(neighbour.api, reference="order-7") == []


def test_pages_of_found_payments_go_on(tenant: Tenant) -> None:
    created = [take(tenant, metadata={"shipment_id": "S 1&2"}) for _ in range(3)]
    first = tenant.api.get("/payments", query={"metadata[shipment_id]": "S 1&2", "limit": "2"})
    assert [row["id"] for row in first.json()["data"]] == created[:0:-1]
    last = tenant.api.get(first.json()["next"]).json()
    assert ([row["id"] for row in last["data"]], last["next"]) == (created[:1], None)


@pytest.mark.parametrize(
    "name",
    ["metadata", "metadata[]", "metadata[a][b]", "metadata[a", "meta[a]", "status[a]",
     "metadata[" + "a" * 41 + "]"],
)  # fmt: skip
def test_a_malformed_pair_is_refused(api: ApiClient, name: str) -> None:
    answer = api.get("/payments", query={name: "1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    repeated = api.get("/payments?metadata[a]=1&metadata[a]=2")
    assert repeated.status_code == 422


def test_other_lists_refuse_the_pairs(api: ApiClient) -> None:
    for path in ("/invoices", "/customers", "/checkout"):
        assert api.get(path, query={"metadata[a]": "1"}).status_code in (405, 422), path


def test_each_lookup_has_an_index(tenant: Tenant, project: Project) -> None:
    """With 3,000 payments the planner takes it by itself."""
    take(tenant)
    row = Payment.objects.for_project(project).get()
    copies = []
    for number in range(3000):
        copy = Payment(**{
            field.attname: getattr(row, field.attname)
            for field in Payment._meta.concrete_fields
            if field.attname not in ("id", "stripe_id")
        })  # fmt: skip
        copy.reference, copy.workflow_id = f"order-{number}", f"flow-{number}"
        copy.metadata = {"shipment_id": f"S-{number}"}
        copies.append(copy)
    Payment.objects.bulk_create(copies)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE billing_payment")
    plans = {
        index: payments.listing(project=project, **lookup).order_by("-pk")[:21].explain()
        for index, lookup in (
            ("payment_by_metadata", {"metadata": {"shipment_id": "S-7"}}),
            ("billing_payment_reference_key", {"reference": "order-7"}),
            ("payment_by_workflow", {"workflow_id": "flow-7"}),
        )
    }
    assert [index for index, plan in plans.items() if index not in plan] == [], plans
    with CaptureQueriesContext(connection) as queries:
        assert len(ids(tenant.api, **{"metadata[shipment_id]": "S-7"})) == 1
    assert len(queries) <= 7
