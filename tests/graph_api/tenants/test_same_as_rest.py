"""Every field that REST has too has the same value here: amounts, words of statuses, times."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, get_named_type

from graph_api.bodies import field_name
from graph_api.schema import SCOPES, schema
from projects.models import Project
from tests.api_client import ApiClient
from tests.architecture.tenant import Words
from tests.graph_api.client import GraphClient, Json

pytestmark = pytest.mark.usefixtures("prepared_world")

LISTS = {
    "customers": ("/customers", {}),
    "subscriptions": ("/subscriptions", {}),
    "invoices": ("/invoices", {}),
    "payments": ("/payments", {}),
    "usageRecords": ("/usage/records", {"user_id": "{user_id}", "meter": "{meter}"}),
}


@pytest.fixture(scope="module")
def types() -> GraphQLSchema:
    """The schema as its callers see it."""
    return build_schema(schema.as_str())


def type_of(types: GraphQLSchema, parent: str, field: str) -> GraphQLObjectType:
    kind: Any = types.type_map[parent]
    named: Any = get_named_type(kind.fields[field].type)
    assert isinstance(named, GraphQLObjectType)
    return named


def selection(kind: GraphQLObjectType) -> str:
    """All fields of the type that are not read apart, and theirs."""
    return " ".join(_selected(kind))


def _selected(kind: GraphQLObjectType) -> Iterator[str]:
    for name, field in kind.fields.items():
        named = get_named_type(field.type)
        if (kind.name, name) in SCOPES:
            continue
        yield (f"{name} {{ {selection(named)} }}" if isinstance(named, GraphQLObjectType) else name)


def renamed(kind: GraphQLObjectType, body: Any) -> Any:
    """A body of REST with the names of the schema."""
    if isinstance(body, list):
        return [renamed(kind, each) for each in body]
    if not isinstance(body, dict):
        return body
    return {field_name(name): _renamed_member(kind, name, each) for name, each in body.items()}


def _renamed_member(kind: GraphQLObjectType, name: str, value: Any) -> Any:
    named = get_named_type(kind.fields[field_name(name)].type)
    return renamed(named, value) if isinstance(named, GraphQLObjectType) else value


def arguments(query: dict[str, str], words: Words) -> str:
    pairs = [f'{field_name(name)}: "{value.format(**words)}"' for name, value in query.items()]
    return f"({', '.join(pairs)})" if pairs else ""


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_what_rest_has(
    name: str, api: ApiClient, graph: GraphClient, own_words: Words, types: GraphQLSchema
) -> None:
    path, query = LISTS[name]
    node = type_of(types, type_of(types, "Query", name).name, "nodes")
    values = {key: value.format(**own_words) for key, value in query.items()}
    expected = [renamed(node, each) for each in api.get(path, query=values).json()["data"]]
    call = f"{name}{arguments(query, own_words)}"

    data = graph.data(f"{{ {call} {{ nodes {{ {selection(node)} }} }} }}")

    assert expected != []
    assert data[name]["nodes"] == expected
    for field in node.fields:  # each alone: what it needs is read without the others
        if (node.name, field) not in SCOPES:
            kind = get_named_type(node.fields[field].type)
            below = f"{{ {selection(kind)} }}" if isinstance(kind, GraphQLObjectType) else ""
            alone = graph.data(f"{{ {call} {{ edges {{ node {{ {field} {below} }} }} }} }}")
            values_of_field = [each["node"][field] for each in alone[name]["edges"]]
            assert values_of_field == [each[field] for each in expected]


def test_single_objects_have_what_rest_has(
    api: ApiClient, graph: GraphClient, own_words: Words, types: GraphQLSchema
) -> None:
    user, meter = own_words["user_id"], own_words["meter"]
    subscription = api.get("/subscriptions").json()["data"][0]["id"]
    calls: dict[str, tuple[str, Json]] = {
        f'customer(userId: "{user}")': (f"/customers/{user}", {}),
        f'subscription(id: "{subscription}")': (f"/subscriptions/{user}/{subscription}", {}),
        f'invoice(id: "{own_words["invoice"]}")': (f"/invoices/{own_words['invoice']}", {}),
        f'payment(id: "{own_words["payment"]}")': (f"/payments/{own_words['payment']}", {}),
        f'entitlements(userId: "{user}")': ("/entitlements", {"user_id": user}),
        f'check(userId: "{user}", feature: "{own_words["code"]}")': (
            "/entitlements/check",
            {"user_id": user, "feature": own_words["code"]},
        ),
        f'usage(userId: "{user}", meter: "{meter}", groupBy: "day")': (
            "/usage",
            {"user_id": user, "meter": meter, "group_by": "day"},
        ),
    }
    for call, (path, query) in calls.items():
        name = call.partition("(")[0]
        kind = type_of(types, "Query", name)
        body = api.get(path, query=query).json()
        body = {
            key: each
            for key, each in body.items()
            if key not in ("url", "client_secret", "publishable_key")
        }

        assert graph.data(f"{{ {call} {{ {selection(kind)} }} }}") == {name: renamed(kind, body)}


def test_a_customer_has_what_its_own_lists_have(
    api: ApiClient, graph: GraphClient, own_words: Words, types: GraphQLSchema
) -> None:
    user, meter = own_words["user_id"], own_words["meter"]
    lists = {
        name: [each["id"] for each in api.get(path, query={"user_id": user}).json()["data"]]
        for name, path in (
            ("subscriptions", "/subscriptions"),
            ("invoices", "/invoices"),
            ("payments", "/payments"),
        )
    }
    decisions, used = type_of(types, "Query", "entitlements"), type_of(types, "Query", "usage")

    data = graph.data(
        f"""{{ customer(userId: "{user}") {{
            {" ".join(f"{name} {{ nodes {{ id }} }}" for name in lists)}
            entitlements {{ {selection(decisions)} }}
            usage(meter: "{meter}") {{ {selection(used)} }} }} }}"""
    )["customer"]

    assert {name: [each["id"] for each in data[name]["nodes"]] for name in lists} == lists
    assert all(lists.values())
    of_user = {"user_id": user}
    assert data["entitlements"] == renamed(
        decisions, api.get("/entitlements", query=of_user).json()
    )
    usage = api.get("/usage", query={**of_user, "meter": meter}).json()
    assert data["usage"] == renamed(used, usage)
    assert data["usage"]["value"] == 5


def test_pages_follow_each_other_as_those_of_rest(
    api: ApiClient, graph: GraphClient, own_words: Words, project: Project
) -> None:
    ids = [each["id"] for each in api.get("/payments").json()["data"]]
    query = """query ($after: String) { payments(first: 1, after: $after) {
        edges { cursor node { id } } pageInfo { hasNextPage endCursor startCursor } } }"""
    after, pages = None, []
    while True:
        page = graph.data(query, after=after)["payments"]
        pages += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert page["edges"][0]["cursor"] == page["pageInfo"]["startCursor"] == after
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(ids) > 2
    assert pages == ids
    assert api.get("/payments", query={"cursor": pages[0]}).json()["data"][0]["id"] == pages[1]
