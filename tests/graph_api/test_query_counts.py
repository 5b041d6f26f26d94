"""A page of fifty with three levels takes at most four queries, the look-up of the key included."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import Customer
from tests.graph_api.client import GraphClient, Json
from tests.graph_api.rows import Rows

PAGE = 50
MOST_QUERIES = 4


def counted(graph: GraphClient, query: str, **variables: Any) -> tuple[Json, list[str]]:
    """The data, and the SQL that it took. The key's use was recorded before."""
    graph.data("{__typename}")
    with CaptureQueriesContext(connection) as captured:
        data = graph.data(query, **variables)
    return data, [each["sql"] for each in captured.captured_queries]


def customers_with(rows: Rows, build: Callable[[Customer], Any]) -> list[Customer]:
    """One customer more than a page has."""
    customers = rows.customers(PAGE + 1)
    for customer in customers:
        build(customer)
    return customers


def test_customers_with_payments_with_refunds(graph: GraphClient, rows: Rows) -> None:
    customers = customers_with(rows, lambda each: [rows.payment(each, refunds=2) for _ in "abc"])

    data, queries = counted(
        graph,
        """{ customers(first: 50) { pageInfo { hasNextPage } nodes { userId payments(first: 2) {
            pageInfo { hasNextPage } nodes { status refunds { amount { amount } } } } } } }""",
    )

    assert len(queries) <= MOST_QUERIES, queries
    nodes = data["customers"]["nodes"]
    assert [each["userId"] for each in nodes] == [row.user_id for row in customers[:0:-1]]
    assert data["customers"]["pageInfo"] == {"hasNextPage": True}
    for node in nodes:
        assert node["payments"]["pageInfo"] == {"hasNextPage": True}
        assert [len(each["refunds"]) for each in node["payments"]["nodes"]] == [2, 2]


def test_customers_with_subscriptions_with_items(graph: GraphClient, rows: Rows) -> None:
    first, second = rows.price(), rows.price()
    customers_with(rows, lambda each: rows.subscription(each, first, second))

    data, queries = counted(
        graph,
        """{ customers(first: 50) { nodes { subscriptions { edges { node { id status duplicateOf
            items { productId priceId quantity } } } } } } }""",
    )

    assert len(queries) <= MOST_QUERIES, queries
    items = [
        edge["node"]["items"]
        for node in data["customers"]["nodes"]
        for edge in node["subscriptions"]["edges"]
    ]
    assert len(items) == PAGE
    products = {first.product_id, second.product_id}
    assert all({item["productId"] for item in each} == products for each in items)


def test_customers_with_invoices_with_lines(graph: GraphClient, rows: Rows) -> None:
    customers_with(rows, lambda each: rows.invoice(each, lines=2))

    data, queries = counted(
        graph,
        """query ($first: Int!) { customers(first: $first) { nodes { ...Billed } } }
        fragment Billed on Customer { invoices(first: 5) { nodes { lines { amount { amount } } } } }
        """,
        first=PAGE,
    )

    assert len(queries) <= MOST_QUERIES, queries
    lines = [
        line
        for node in data["customers"]["nodes"]
        for invoice in node["invoices"]["nodes"]
        for line in invoice["lines"]
    ]
    assert lines == [{"amount": {"amount": 2900}}] * 2 * PAGE


def test_payments_with_customers_with_subscriptions(graph: GraphClient, rows: Rows) -> None:
    """The customer of a payment is read with it; customers of several payments are read once."""
    price = rows.price()
    customers_with(rows, lambda each: (rows.payment(each), rows.subscription(each, price)))

    data, queries = counted(
        graph,
        """{ payments(first: 50) { nodes { customer { email subscriptions { nodes { status } } } } }
        }""",
    )

    assert len(queries) <= MOST_QUERIES - 1, queries
    assert {
        len(node["customer"]["subscriptions"]["nodes"]) for node in data["payments"]["nodes"]
    } == {1}


def test_a_page_of_decisions_takes_as_many_queries_as_one(graph: GraphClient, rows: Rows) -> None:
    rows.customers(PAGE)
    query = """query ($first: Int!) { customers(first: $first) { nodes { entitlements { version
        entitlements { feature allowed } } } } }"""

    _, of_one = counted(graph, query, first=1)
    _, of_all = counted(graph, query, first=PAGE)

    assert len(of_all) == len(of_one)


def test_fields_with_other_arguments_are_read_apart(graph: GraphClient, rows: Rows) -> None:
    [customer] = rows.customers(1)
    for status in ("paid", "failed", "paid"):
        rows.payment(customer, status=status)

    data = graph.data(
        """{ customers { nodes { paid: payments(status: "paid") { nodes { status } }
            failed: payments(status: "failed") { nodes { status } }
            newest: payments(first: 1) { nodes { status } } } } }"""
    )

    [node] = data["customers"]["nodes"]
    assert [len(node[name]["nodes"]) for name in ("paid", "failed", "newest")] == [2, 1, 1]


def test_what_is_refused_is_read_once_for_all_rows(graph: GraphClient, rows: Rows) -> None:
    """An unknown meter is looked up once, not once per customer."""
    rows.customers(PAGE)
    query = """query ($first: Int!) { customers(first: $first) { nodes { usage(meter: "none") {
        value } } } }"""
    counts = []
    for first in (1, PAGE):
        graph.data("{__typename}")
        with CaptureQueriesContext(connection) as captured:
            errors = graph.execute(query, first=first)["errors"]
        assert [each["extensions"]["code"] for each in errors] == ["not-found"] * first
        counts.append(len(captured))

    assert counts[0] == counts[1] <= MOST_QUERIES
