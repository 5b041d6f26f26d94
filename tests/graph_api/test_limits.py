"""Hostile queries are refused before anything is executed."""

from cProfile import Profile
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from graphql import get_introspection_query

from graph_api import limits
from graph_api.request import QueryRequest
from graph_api.schema import schema
from projects.keys.credentials import ProjectCredential
from projects.models import Project
from tests.graph_api.client import GraphClient
from tests.graph_api.rows import Rows

REQUEST = QueryRequest(
    caller=ProjectCredential("key_0", Project(), frozenset()), at=datetime(2026, 11, 1, tzinfo=UTC)
)
LEVEL = "customer { payments(first: 1) { nodes { "
DEEP = "{ payments(first: 1) { nodes { " + LEVEL * 4 + "id" + " } } }" * 4 + " } } }"


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [
        ("depth", DEEP, "query-too-deep"),
        ("depth of fragments", "{" + "...{" * 100 + "id" + "}" * 101, "query-too-deep"),
        ("depth of fields", "{" + "a{" * 500 + "id" + "}" * 501, "query-malformed"),
        ("depth of values", "{ payments(first: " + "[" * 900 + "]" * 900 + ") { id } }", None),
        (
            "aliases",
            f"{{ {' '.join(f'a{n}: __typename' for n in range(31))} }}",
            "too-many-aliases",
        ),
        (
            "reads",
            f"""{{ {
                " ".join(f'a{n}: check(userId: "a", feature: "f") {{ allowed }}' for n in range(21))
            } }}""",
            "query-too-complex",
        ),
        (
            "cost",
            "{ customers(first: 100) { nodes { payments(first: 100) { nodes { id status } } } } }",
            "query-too-complex",
        ),
        (
            "cost that a negative number of rows makes up for",
            """{ a: customers(first: -999) { nodes { id userId email name } }
            b: customers(first: -999) { nodes { id userId email name } }
            customers(first: 100) { nodes { payments(first: 100) { nodes { id status } } } } }""",
            "query-too-complex",
        ),
        (
            "introspection by alias",
            f"{{ {' '.join(f'{name}: __schema {{ types {{ name }} }}' for name in 'abc')} }}",
            "query-too-complex",
        ),
        (
            "introspection of introspection",
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            "query-invalid",
        ),
        ("tokens", "{ " + "id " * 2_000 + "}", "query-too-long"),
        ("a cycle", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", None),
        (
            "fragments that double",
            "{ ...F0 } "
            + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(50))
            + "fragment F50 on Query { payments { nodes { id } } }",
            "query-too-complex",
        ),
        (
            "repeated fields",
            "{ payments { nodes { " + "...on Payment { amount { amount } } " * 31 + "} } }",
            "query-too-complex",
        ),
        (
            "repeated unknown fields",
            "{ " + "a { b } " * 31 + "}",
            "query-too-complex",
        ),
        ("a mutation", "mutation { x }", "query-invalid"),
        ("a subscription", "subscription { x }", "query-invalid"),
        ("nothing", "fragment A on Query { __typename }", "query-invalid"),
        ("several operations", "query A { __typename } query B { __typename }", "query-invalid"),
        ("an unknown field", "{ secrets }", "query-invalid"),
        ("a wrong type", '{ payments(first: "x") { nodes { id } } }', "query-invalid"),
        ("a missing variable", "query ($a: String!) { __typename }", "query-invalid"),
        ("a huge number", "{ payments(first: 99999999999999999999) { nodes { id } } }", None),
        ("no grammar", "{ payments(", "query-malformed"),
    ],
)
def test_hostile_queries_are_refused(
    graph: GraphClient, name: str, query: str, code: str | None
) -> None:
    graph.data("{ __typename }")  # the use of the key is recorded

    with CaptureQueriesContext(connection) as captured:
        codes = graph.codes(query)

    assert len(captured) == 1  # the look-up of the key
    assert codes[0].startswith(("query-", "too-many-"))
    assert code in (None, codes[0])


def test_variables_count_as_much_as_literals(graph: GraphClient) -> None:
    query = """query ($rows: Int!) { customers(first: $rows) { nodes { payments(first: $rows) {
        nodes { id status reference } } } } }"""

    assert graph.data(query, rows=10) == {"customers": {"nodes": []}}
    assert graph.codes(query, rows=100) == ["query-too-complex"]
    assert graph.codes(query, rows="x") == ["query-too-complex"]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("Int", True),
        ("Int", 1.5),
        ("Int", [1]),
        ("Int", 2**40),
        ("String", 7),
        ("String", {"a": 1}),
    ],
)
def test_a_variable_of_a_wrong_type_is_the_callers_mistake(
    graph: GraphClient, declared: str, value: object
) -> None:
    uses = {"Int": "customers(first: $it)", "String": "customers(email: $it)"}
    query = f"query ($it: {declared}) {{ {uses[declared]} {{ nodes {{ id }} }} }}"

    body = graph.execute(query, it=value)

    assert body.keys() == {"errors"}
    [error] = body["errors"]
    assert error["extensions"] == {"code": "query-invalid", "status": 400}
    assert error["message"].startswith("Variable '$it' has invalid value")


def test_sizes_at_the_limit_are_answered(graph: GraphClient, rows: Rows) -> None:
    [customer] = rows.customers(1)
    rows.payment(customer)
    nested = "{ payments { nodes { " + LEVEL * 3 + "id" + " } } }" * 3 + " } } }"
    assert limits.MAX_DEPTH == 12
    assert len(graph.data(nested)["payments"]["nodes"]) == 1
    aliases = " ".join(f"a{number}: __typename" for number in range(limits.MAX_ALIASES))
    assert len(graph.data(f"{{ {aliases} }}")) == limits.MAX_ALIASES


def test_the_usual_introspection_is_answered(graph: GraphClient) -> None:
    data = graph.data(get_introspection_query())

    assert data["__schema"]["queryType"]["name"] == "Query"


def test_refusals_say_what_to_do(graph: GraphClient) -> None:
    query = "{ customers(first: 100) { nodes { payments(first: 100) { nodes { id status } } } } }"

    assert graph.execute(query) == {
        "errors": [
            {
                "message": "The answer could have 30,201 values, and may have 25,000. Ask for "
                "fewer rows with `first`, or for fewer fields.",
                "extensions": {"code": "query-too-complex", "status": 400},
            }
        ]
    }


def calls_of(count: int) -> int:
    """Functions that are called for so many fragments that use the next one twice."""
    spreads = " ".join(
        f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(count)
    )
    query = f"{{ ...F0 }} {spreads} fragment F{count} on Query {{ ...F{count + 1} }}"
    profile = Profile(builtins=False)
    profile.runcall(schema.execute_sync, query, context_value=REQUEST)
    return sum(entry.callcount for entry in profile.getstats())


def test_a_fragment_is_measured_once() -> None:
    assert calls_of(20) < 3 * calls_of(10)
