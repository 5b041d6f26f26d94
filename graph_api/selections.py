"""Which fields of an object a query selects, and the relations that they need."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model, Prefetch, QuerySet
from strawberry.types.nodes import SelectedField, Selection

from graph_api.request import QueryInfo

NODES = (("nodes",), ("edges", "node"))
"""Where the objects of a connection are."""


def fields_of_object(info: QueryInfo) -> set[str]:
    """Names of the fields that are selected of the object that is being resolved."""
    return {field.name for field in _fields(info.selected_fields, ())}


def fields_of_nodes(info: QueryInfo) -> set[str]:
    """Names of the fields that are selected of the nodes of the connection."""
    return {field.name for path in NODES for field in _fields(info.selected_fields, path)}


def _fields(selections: Iterable[Selection], path: tuple[str, ...]) -> Iterable[SelectedField]:
    """The fields below this path of names, also those in fragments."""
    fields = [child for each in selections for child in _flat(each.selections)]
    for name in path:
        fields = [
            child
            for field in fields
            if field.name == name
            for selection in field.selections
            for child in _flat([selection])
        ]
    return fields


def _flat(selections: Iterable[Selection]) -> Iterable[SelectedField]:
    for selection in selections:
        if isinstance(selection, SelectedField):
            yield selection
        else:
            yield from _flat(selection.selections)


def with_relations(
    rows: QuerySet[Any],
    relations: "Mapping[str, str | Prefetch[Any, Any, Any]]",
    selected: set[str],
) -> QuerySet[Any]:
    """The rows with the relations that the selected fields need.

    The others are loaded as empty, without a query: a body can be built all the same, and its
    members that nobody selected are not read. ``relations``: what to prefetch, by field.
    """
    loaded = [_prefetch(rows.model, name, field in selected) for field, name in relations.items()]
    return rows.prefetch_related(None).prefetch_related(*loaded)


def _prefetch(
    model: type[Model], relation: "str | Prefetch[Any, Any, Any]", is_selected: bool
) -> "str | Prefetch[Any, Any, Any]":
    if is_selected:
        return relation
    name = relation if isinstance(relation, str) else relation.prefetch_through
    related: Any = model._meta.get_field(name).related_model
    return Prefetch(name, queryset=related.objects.none())
