"""How queries travel: methods, media types and bodies, and what wrong ones are answered."""

from typing import Any

import pytest
from django.db import OperationalError, connection

from projects.models import Project
from projects.tenants import projects as tenants
from tests.factories.projects import AppFactory, key_of, platform_key
from tests.graph_api.client import GraphClient
from tests.graph_api.rows import AT, Rows

QUERY = "{ customers { nodes { id } } }"
GRAPHQL_JSON = "application/graphql-response+json"


def problem(response: Any) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_a_query_is_answered(graph: GraphClient, rows: Rows) -> None:
    [customer] = rows.customers(1)

    response = graph.send({"query": QUERY})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"data": {"customers": {"nodes": [{"id": customer.pk}]}}}
    assert response.headers["X-Request-ID"].startswith("req_")


def test_the_key_of_an_app_is_answered(project: Project, rows: Rows) -> None:
    [customer] = rows.customers(1)
    graph = GraphClient(key_of(project, app=AppFactory.create(project=project)))

    assert graph.data(QUERY) == {"customers": {"nodes": [{"id": customer.pk}]}}


def test_a_request_has_the_members_of_the_specification(graph: GraphClient) -> None:
    body = {
        "query": "query A { __typename } query B($n: Int!) { payments(first: $n) { nodes { id }}}",
        "variables": {"n": 3},
        "operationName": "B",
        "extensions": {"trace": True},
    }
    assert graph.send(body).json() == {"data": {"payments": {"nodes": []}}}

    nulls = {"query": QUERY, "variables": None, "operationName": None, "extensions": None}
    assert graph.send(nulls).json() == {"data": {"customers": {"nodes": []}}}


def test_a_query_that_is_not_executed_has_the_status_of_its_media_type(graph: GraphClient) -> None:
    wrong = {"query": "{ nothing }"}

    legacy, newer = graph.send(wrong), graph.send(wrong, Accept=GRAPHQL_JSON)

    assert (legacy.status_code, legacy.headers["Content-Type"]) == (200, "application/json")
    assert (newer.status_code, newer.headers["Content-Type"]) == (400, GRAPHQL_JSON)
    assert legacy.json() == newer.json()
    assert "data" not in newer.json()
    assert graph.send({"query": QUERY}, Accept=GRAPHQL_JSON).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_queries_are_posted(graph: GraphClient, method: str) -> None:
    """An address would be logged, and with it the ids of users."""
    response = graph.send({"query": QUERY}, method=method)

    assert problem(response) == (405, "method-not-allowed")
    assert "POST" in response.headers["Allow"]


def test_the_methods_are_named(graph: GraphClient) -> None:
    response = graph.send("", method="OPTIONS")

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([{"query": QUERY}], 422, "invalid"),
        ([], 422, "invalid"),
        ("", 422, "invalid"),
        ("{", 400, "malformed-body"),
        ('{"query": "\\u0000"}', 400, "malformed-body"),
        ('{"query": "{a}", "query": "{b}"}', 400, "malformed-body"),
        ({"query": ""}, 422, "invalid"),
        ({"query": None}, 422, "invalid"),
        ({"query": 5}, 200, ""),
        ({"query": ["a"]}, 422, "invalid"),
        ({"query": QUERY, "variables": []}, 422, "invalid"),
        ({"query": QUERY, "variables": "x"}, 422, "invalid"),
        ({"query": QUERY, "operationName": {}}, 422, "invalid"),
        ({"query": QUERY, "sha256": "x"}, 422, "invalid"),
        ({"query": "#" * 16_385}, 422, "invalid"),
        ({"query": QUERY, "variables": {"text": "x" * 65_536}}, 413, "body-too-large"),
    ],
)
def test_malformed_requests_are_refused(
    graph: GraphClient, body: Any, status: int, code: str
) -> None:
    response = graph.send(body)
    if status == 200:
        assert response.json()["errors"][0]["extensions"]["code"] == "query-malformed"
    else:
        assert problem(response) == (status, code)


@pytest.mark.parametrize("media_type", ["application/graphql", "text/plain", "multipart/form-data"])
def test_other_media_types_are_refused(graph: GraphClient, media_type: str) -> None:
    response = graph.send(QUERY, content_type=media_type)

    assert problem(response) == (415, "unsupported-media-type")


def test_only_live_keys_of_projects_are_answered(project: Project) -> None:
    assert problem(GraphClient().send({"query": QUERY})) == (401, "key-required")
    assert problem(GraphClient("tg_test_" + "a" * 43).send({"query": QUERY})) == (
        401,
        "invalid-key",
    )
    assert problem(GraphClient(platform_key()).send({"query": QUERY})) == (403, "scope-missing")


def test_a_suspended_project_is_refused(graph: GraphClient, project: Project) -> None:
    tenants.suspend(project=project, actor="command", at=AT, reason="Unpaid.")

    assert problem(graph.send({"query": QUERY})) == (403, "project-suspended")


@pytest.mark.parametrize(
    "query",
    [
        '{ payments(status: "nonsense") { nodes { id } } }',
        '{ payments(after: "x") { nodes { id } } }',
        '{ payments(after: "\\u0000") { nodes { id } } }',
        '{ payments(userId: "\\u0000") { nodes { id } } }',
        '{ subscriptions(product: "prod_1") { nodes { id } } }',
        '{ customers(email: "nobody") { nodes { id } } }',
        "{ payments(first: 0) { nodes { id } } }",
        "{ payments(first: 101) { nodes { id } } }",
        "{ payments(first: -5) { nodes { id } } }",
        '{ customer(userId: "\\u0000") { id } }',
        '{ customer(userId: "") { id } }',
        '{ getInvoice(shipmentId: "\\u0000") { id } }',
        '{ check(userId: "a", feature: "\\u0000") { allowed } }',
        '{ entitlements(userId: "\\u0000") { version } }',
        '{ usage(userId: "a", meter: "m", from: "yesterday") { value } }',
        '{ usage(userId: "a", meter: "m", groupBy: "decade") { value } }',
        '{ usageRecords(userId: "a", meter: "\\u0000") { nodes { id } } }',
    ],
)
def test_wrong_arguments_are_errors_of_their_field(graph: GraphClient, query: str) -> None:
    body = graph.execute(query)

    [name] = body["data"]
    assert body["data"] == {name: None}
    [error] = body["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("invalid", [name])
    assert error["extensions"]["status"] == 422


@pytest.mark.parametrize(
    "query",
    [
        '{ payment(id: "\\u0000") { id } }',
        '{ payment(id: "sub_1") { id } }',
        '{ invoice(id: "x") { id } }',
        '{ subscription(id: "x") { id } }',
        '{ customer(userId: "nobody") { id } }',
        '{ getInvoice(shipmentId: "nothing") { id } }',
    ],
)
def test_what_does_not_exist_is_null(graph: GraphClient, query: str) -> None:
    [value] = graph.data(query).values()

    assert value is None


def test_an_unknown_meter_is_not_found(graph: GraphClient) -> None:
    [error] = graph.execute('{ usage(userId: "a", meter: "m") { value } }')["errors"]

    assert error["extensions"] == {"code": "not-found", "status": 404}
    assert error["message"] == "No meter with this code. GET /meters lists them."


def test_an_error_of_a_list_names_its_place(graph: GraphClient, rows: Rows) -> None:
    rows.customers(2)

    body = graph.execute('{ customers { nodes { usage(meter: "m") { value } } } }')

    assert body["data"] == {"customers": {"nodes": [{"usage": None}] * 2}}
    assert [error["path"] for error in body["errors"]] == [
        ["customers", "nodes", place, "usage"] for place in (0, 1)
    ]


def test_an_error_of_ours_tells_nothing(graph: GraphClient, rows: Rows) -> None:
    """Its cause is in the log, under the request's id. A secret that nobody can decrypt is one."""
    [customer] = rows.customers(1)
    rows.payment(customer, type="intent", client_secret="torn", metadata={"shipment_id": "SHP-1"})

    response = graph.send(
        {"query": '{ getInvoice(shipmentId: "SHP-1") { id } customers { nodes { userId } } }'}
    )

    assert response.status_code == 200
    assert response.json() == {
        "data": {"getInvoice": None, "customers": {"nodes": [{"userId": customer.user_id}]}},
        "errors": [
            {
                "message": "Something went wrong on our side. Quote the request id.",
                "extensions": {"code": "internal-error", "status": 500},
                "locations": [{"line": 1, "column": 3}],
                "path": ["getInvoice"],
            }
        ],
    }


def test_without_the_database_the_answer_is_a_503(graph: GraphClient) -> None:
    with connection.execute_wrapper(_away):
        response = graph.send({"query": QUERY})

    assert problem(response) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"


def _away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """The database is lost after the key was found."""
    if "projects_customer" in sql:
        raise OperationalError("terminating connection")
    return execute(sql, params, many, context)
