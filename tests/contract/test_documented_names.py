"""The documents in ``docs/`` name fields and values as the API does."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.answers import openapi
from tests.services import ROOT

OPENAPI = openapi()
GENERATED = {"errors.md", "events.md"}
PAGES = sorted(page for page in ROOT.glob("docs/*.md") if page.name not in GENERATED)
NAME = re.compile(r"`([a-z][a-z0-9_]*)`")
OTHERS_FIELDS = {"hermes.md", "inbound.md", "bus.md"}
"""Pages whose tables describe messages that are not the API's."""


def tables(page: Path) -> list[list[list[str]]]:
    """The tables of a page: rows of cells, the heading first."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", page.read_text(), re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for block in blocks
    ]


def names_of(node: Any) -> set[str]:
    """Every name of a field or parameter in the OpenAPI document."""
    if isinstance(node, list):
        return set().union(*map(names_of, node))
    if not isinstance(node, dict):
        return set()
    own = set(node.get("properties", ())) if isinstance(node.get("properties"), dict) else set()
    if "in" in node and isinstance(node.get("name"), str):
        own |= {node["name"]}
    return own.union(*map(names_of, node.values()))


def values_of(node: Any, field: str) -> set[Any]:
    """Every value that the document allows for fields of this name."""
    if isinstance(node, list):
        return set().union(*(values_of(child, field) for child in node))
    if not isinstance(node, dict):
        return set()
    properties = node.get("properties")
    own = (
        enums(properties[field]) if isinstance(properties, dict) and field in properties else set()
    )
    return own.union(*(values_of(child, field) for child in node.values()))


def enums(schema: Any) -> set[Any]:
    """The values of an enumeration, also behind references."""
    if isinstance(schema, list):
        return set().union(*map(enums, schema))
    if not isinstance(schema, dict):
        return set()
    if "$ref" in schema:
        return enums(OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return set(schema.get("enum", ())).union(*map(enums, schema.values()))


NAMES = names_of(OPENAPI)


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_a_table_of_fields_names_fields_of_the_api(document: Path) -> None:
    named = [
        name
        for heading, _, *rows in tables(document)
        if heading[0] in ("field", "parameter", "member") and document.name not in OTHERS_FIELDS
        for row in rows
        for name in NAME.findall(row[0])
    ]
    assert [name for name in named if name not in NAMES] == []


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_an_example_of_a_call_names_fields_of_the_api(document: Path) -> None:
    blocks = re.findall(
        r"^```(?:http|sh|json|html)\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL
    )
    keys = [
        key
        for block in blocks
        if "/api/v1/" in block and document.name not in OTHERS_FIELDS
        for key in re.findall(r'"([a-z][a-z0-9_]*)":', re.sub(r'"metadata": *\{[^}]*\}', "", block))
    ]
    assert [key for key in keys if key not in NAMES] == []


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_a_table_of_values_has_the_values_of_its_field(document: Path) -> None:
    for heading, _, *rows in tables(document):
        match = NAME.fullmatch(heading[0])
        if match is None or not (values := values_of(OPENAPI, match[1])):
            continue
        named = {name for row in rows for name in NAME.findall(row[0])}
        assert named <= values, f"{heading[0]}: {named - values}"


def test_metered_prices_name_the_state_of_a_record_as_the_api_does() -> None:
    [table] = [
        table
        for table in tables(ROOT / "docs" / "metered-prices.md")
        if table[0][0] == "`stripe_status`"
    ]
    named = {name for row in table[2:] for name in NAME.findall(row[0])}
    assert named == values_of(OPENAPI, "stripe_status") - {None}
