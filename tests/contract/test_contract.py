"""The API document, the GraphQL schema and the database schema equal the stored files."""

import os
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from graph_api.schema import schema
from tests.contract import sql_schema

HERE = Path(__file__).parent
WRITE = "TOLLGATE_WRITE_CONTRACT"


def _compare_with_file(name: str, current: str) -> None:
    path = HERE / name
    if os.environ.get(WRITE):
        path.write_text(current)
    assert path.read_text() == current, f"If the change is meant: {WRITE}=1 pytest tests/contract"


def test_the_api_equals_the_stored_document() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)

    _compare_with_file(
        "openapi.yaml", OpenApiYamlRenderer().render(document, renderer_context={}).decode()
    )


def test_the_graphql_schema_equals_the_stored_one() -> None:
    _compare_with_file("schema.graphql", f"{schema.as_str()}\n")


@pytest.mark.django_db
def test_the_database_equals_the_stored_schema() -> None:
    _compare_with_file("schema.sql.txt", sql_schema.document())
