"""A key reads the fields that its scopes allow, and only the rows of its own project."""

import pytest

from billing.models import Payment
from graph_api.schema import SCOPES, schema
from projects.keys.scopes import ALL_SCOPES
from projects.models import Project
from tests.architecture.tenant import Words, unknown_words
from tests.factories.projects import key_of
from tests.graph_api.client import GraphClient

pytestmark = pytest.mark.usefixtures("prepared_world")

READS = {
    "customers": "{ customers { nodes { id } } }",
    "customer": '{ customer(userId: "%(user_id)s") { id email } }',
    "subscriptions": '{ subscriptions(userId: "%(user_id)s") { nodes { id } } }',
    "subscription": '{ subscription(id: "%(subscription)s") { id } }',
    "invoices": '{ invoices(userId: "%(user_id)s") { nodes { id } } }',
    "invoice": '{ invoice(id: "%(invoice)s") { id total { amount } } }',
    "payments": '{ payments(userId: "%(user_id)s") { nodes { id } } }',
    "payment": '{ payment(id: "%(payment)s") { id } }',
    "getInvoice": '{ getInvoice(shipmentId: "%(shipment)s") { id stripeClientSecret } }',
    "entitlements": '{ entitlements(userId: "%(user_id)s") { customerId version } }',
    "check": '{ check(userId: "%(user_id)s", feature: "%(code)s") { allowed } }',
    "usage": '{ usage(userId: "%(user_id)s", meter: "%(meter)s") { value } }',
    "usageRecords": '{ usageRecords(userId: "%(user_id)s", meter: "%(meter)s") { nodes { id } } }',
}
"""A read of each field of the query."""


def with_more(words: Words, project: Project, graph: GraphClient) -> Words:
    """The words, and those that REST's routes do not need."""
    unpaid = Payment.objects.for_project(project).filter(pk=words["unpaid"])
    assert unpaid.update(metadata={"shipment_id": f"of-{project.slug}"}) == 1
    [subscription] = graph.data("{ subscriptions(first: 1) { nodes { id } } }")["subscriptions"][
        "nodes"
    ]
    return {**words, "subscription": subscription["id"], "shipment": f"of-{project.slug}"}


def test_every_field_of_the_query_is_tried() -> None:
    assert {field for kind, field in SCOPES if kind == "Query"} == READS.keys()
    root = schema.get_type_by_name("Query")
    assert {each.python_name for each in root.fields if not each.metadata} == set()  # type: ignore[union-attr]


def test_each_field_needs_its_scope(
    project: Project, own_words: Words, subtests: pytest.Subtests
) -> None:
    words = with_more(own_words, project, GraphClient(key_of(project)))
    for name, query in READS.items():
        scope = SCOPES["Query", name]
        others = sorted(set(ALL_SCOPES) - {scope})
        with subtests.test(name):
            allowed = GraphClient(key_of(project, scopes=[scope])).execute(query % words)
            refused = GraphClient(key_of(project, scopes=others)).execute(query % words)

            assert allowed["data"][name] not in (None, {"nodes": []})
            assert "errors" not in allowed
            assert refused["data"] == {name: None}
            [error] = refused["errors"]
            assert error["extensions"] == {"code": "scope-missing", "status": 403}
            assert scope in error["message"]


def test_a_nested_field_needs_its_scope_too(project: Project, own_words: Words) -> None:
    nested = {field: scope for (kind, field), scope in SCOPES.items() if kind == "Customer"}
    own = ["customers:read"]
    graph = GraphClient(key_of(project, scopes=own))
    calls = {**dict.fromkeys(nested, "{ nodes { id } }"), "entitlements": "{ version }"}
    calls["usage"] = "{ value }"
    meter = own_words["meter"]
    user_id = own_words["user_id"]
    for field, below in calls.items():
        argument = f'(meter: "{meter}")' if field == "usage" else ""
        body = graph.execute(
            f'{{ customer(userId: "{user_id}") {{ userId {field}{argument} {below} }} }}'
        )

        assert body["data"] == {"customer": {"userId": user_id, field: None}}
        assert [each["extensions"]["code"] for each in body["errors"]] == ["scope-missing"]


def test_payments_do_not_show_the_customer_to_keys_without_its_scope(
    project: Project, own_words: Words
) -> None:
    graph = GraphClient(
        key_of(project, scopes=["payments:read", "invoices:read", "subscriptions:read"])
    )
    for name in ("payments", "invoices", "subscriptions"):
        query = f"{{ {name}(first: 1) {{ nodes {{ id customer {{ email }} }} }} }}"

        body = graph.execute(query)

        assert body["data"][name]["nodes"][0]["customer"] is None
        assert [each["extensions"]["code"] for each in body["errors"]] == ["scope-missing"]


def test_rows_of_another_project_are_answered_like_missing_ones(
    project: Project,
    other_project: Project,
    own_words: Words,
    neighbours_words: Words,
    subtests: pytest.Subtests,
) -> None:
    graph, neighbour = GraphClient(key_of(project)), GraphClient(key_of(other_project))
    neighbours = with_more(neighbours_words, other_project, neighbour)
    missing = {**unknown_words(), "subscription": "sub_" + "0" * 26, "shipment": "of-nobody"}
    for name, query in READS.items():
        with subtests.test(name):
            answer = comparable(graph.execute(query % neighbours), neighbours)
            control = comparable(graph.execute(query % missing), missing)

            assert answer == control
            for value in (neighbours["payment"], neighbours["invoice"], neighbours["subscription"]):
                assert value not in answer
    assert own_words["payment"] in str(graph.data("{ payments { nodes { id } } }"))
    assert neighbours["payment"] in str(neighbour.data("{ payments { nodes { id } } }"))


def test_a_cursor_of_another_project_tells_nothing(
    project: Project, own_words: Words, neighbours_words: Words
) -> None:
    graph = GraphClient(key_of(project))
    query = "query ($after: String) { payments(after: $after) { nodes { id } } }"
    of_neighbour, random = neighbours_words["payment"], f"{neighbours_words['payment'][:-4]}0000"

    assert graph.data(query, after=of_neighbour) == graph.data(query, after=random)


def comparable(body: object, words: Words) -> str:
    """The body's text without the words that were sent."""
    text = str(body)
    for value in sorted(words.values(), key=len, reverse=True):
        text = text.replace(value, "<word>")
    return text
