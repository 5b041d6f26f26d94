"""Generated queries are answered or refused with a code of ours; none meets an error of ours."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries

from graph_api.schema import schema
from projects.models import Project
from tests.architecture.tenant import Words
from tests.factories.projects import key_of
from tests.graph_api.client import GraphClient

pytestmark = pytest.mark.usefixtures("prepared_world")

CODES = {
    *("invalid", "not-found"),
    *("query-invalid", "query-too-deep", "query-too-complex", "query-too-long"),
}
"""What a query that follows the grammar can be refused with."""
ARGUMENT = re.compile(r'\b(userId|meter|feature|id|shipmentId): "(?:[^"\\]|\\.)*"')
TIMES = st.sampled_from(["2026-11-01T00:00:00Z", "2026-11-01T00:30:00Z", "yesterday", ""])


def test_generated_queries_meet_no_error_of_ours(project: Project, own_words: Words) -> None:
    """Half of them name the project's rows."""
    graph = GraphClient(key_of(project))
    words = {
        **dict.fromkeys(("userId", "shipmentId"), own_words["user_id"]),
        "meter": own_words["meter"],
        "feature": own_words["code"],
        "id": own_words["payment"],
    }
    answers = set()

    @settings(
        max_examples=80,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        queries(schema.as_str(), custom_scalars={"DateTime": TIMES.map(nodes.String)}),
        st.booleans(),
    )
    def check(query: str, has_words: bool) -> None:
        if has_words:
            query = ARGUMENT.sub(lambda match: f'{match[1]}: "{words[match[1]]}"', query)
        response = graph.send({"query": query})

        if response.status_code == 200:
            body = response.json()
            codes = {error["extensions"]["code"] for error in body.get("errors", ())}
            assert codes <= CODES, (query, body)
            answers.add(("data" in body, bool(codes)))
        else:
            assert response.status_code in (400, 413, 422), response.content

    check()
    assert answers >= {(True, False), (True, True)}
