"""Read several lists of rows in one statement, for pages that consist of many small tables.

Each list is a subquery that returns JSON; the rows are created from it as the query set would
create them. A dozen lists then need one round trip instead of a dozen.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BinaryField, F, Field, Model, QuerySet
from django.db.models.functions import JSONObject

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class RowList:
    """One list: its rows, and the related rows that are loaded with them."""

    rows: QuerySet[Any]
    related: Sequence[str] = ()
    """Forward relations to load, as in ``select_related``: ``price__product``."""
    children: Mapping[str, "RowList"] = field(default_factory=dict)
    """Reverse relations to load, as in ``prefetch_related``; their rows refer to the owner by
    ``OuterRef``. A row has them as a list, ``loaded_<name>``, as ``Prefetch(to_attr=…)`` makes."""
    annotations: Sequence[str] = ()
    """Annotations to load: integers or text."""
    excluded: Sequence[str] = ()
    """Fields to leave out, as in ``defer``; binary fields are always left out."""


def read(owner: QuerySet[Any], lists: Mapping[Name, RowList]) -> dict[Name, list[Any]]:
    """Rows of every list by its name; ``owner`` selects the one row that the lists belong to.

    One query. Raises the owner's DoesNotExist.
    """
    columns = owner.values_list(*(_rows(row_list) for row_list in lists.values())).get()
    return {
        name: [_make_row(row_list.rows.model, values, row_list) for values in rows or ()]
        for (name, row_list), rows in zip(lists.items(), columns, strict=True)
    }


def _rows(row_list: RowList) -> ArraySubquery:
    members: dict[str, Any] = {annotation: F(annotation) for annotation in row_list.annotations}
    members |= {name: _rows(child_list) for name, child_list in row_list.children.items()}
    row_object = _object(
        row_list.rows.model, row_list.related, excluded=row_list.excluded, **members
    )
    return ArraySubquery(row_list.rows.values(as_json=row_object))


def _object(
    model: type[Model],
    related: Sequence[str],
    *,
    prefix: str = "",
    excluded: Sequence[str] = (),
    **extra_members: Any,
) -> JSONObject:
    names = [each.attname for each in _fields(model, excluded)]
    members: dict[str, Any] = {name: F(prefix + name) for name in names}
    for name, further_steps in _steps(related).items():
        members[name] = _object(_target(model, name), further_steps, prefix=f"{prefix}{name}__")
    return JSONObject(**members, **extra_members)


def _make_row(model: type[Model], values: Mapping[str, Any], row_list: RowList) -> Any:
    row = _row(model, values, row_list.related, excluded=row_list.excluded)
    for name in row_list.annotations:
        setattr(row, name, values[name])
    for name, child_list in row_list.children.items():
        model_of_child = child_list.rows.model
        children = [_make_row(model_of_child, child, child_list) for child in values[name]]
        setattr(row, f"loaded_{name}", children)
    return row


def _row(
    model: type[Model],
    members: Mapping[str, Any],
    related: Sequence[str],
    excluded: Sequence[str] = (),
) -> Any:
    fields = list(_fields(model, excluded))
    values = [field_.to_python(members[field_.attname]) for field_ in fields]
    row: Any = model.from_db("default", [field_.attname for field_ in fields], values)
    for name, further_steps in _steps(related).items():
        target = _target(model, name)
        is_present = members[name][target._meta.pk.attname] is not None
        setattr(row, name, _row(target, members[name], further_steps) if is_present else None)
    return row


def _fields(model: type[Model], excluded: Sequence[str]) -> "Iterator[Field[Any, Any]]":
    for field_ in model._meta.concrete_fields:
        if field_.attname not in excluded and not isinstance(field_, BinaryField):
            yield field_


def _steps(related: Sequence[str]) -> dict[str, list[str]]:
    """The steps after the first one, by the first step of each path such as ``price__product``."""
    further_by_step: dict[str, list[str]] = {}
    for path in related:
        first, _, further_steps = path.partition("__")
        further_by_step.setdefault(first, []).extend([further_steps] if further_steps else [])
    return further_by_step


def _target(model: type[Model], name: str) -> type[Model]:
    target = model._meta.get_field(name).related_model
    assert isinstance(target, type)
    return target
