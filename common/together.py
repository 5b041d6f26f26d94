"""The rows of many lists in one statement: for a page that is made of many small tables.

Each list is a subquery that answers in JSON; its rows are made of that as the query set itself
would have made them. A dozen lists then cost one way to the database instead of a dozen.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BinaryField, F, Field, Model, QuerySet
from django.db.models.functions import JSONObject

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Listed:
    """One list: its rows, and by their names what comes with each of them."""

    rows: QuerySet[Any]
    related: Sequence[str] = ()
    """What it refers to, as ``select_related`` names it: ``price__product``."""
    lines: Mapping[str, "Listed"] = field(default_factory=dict)
    """What refers to it, by the relation's name; their rows say so by ``OuterRef``. A row has them
    as a list, ``loaded_<name>``, as ``Prefetch`` makes one for ``to_attr``."""
    also: Sequence[str] = ()
    """Annotations: whole numbers or text."""
    without: Sequence[str] = ()
    """Fields that are left out, as ``defer`` does; fields of bytes always are."""


def read(owner: QuerySet[Any], lists: Mapping[Name, Listed]) -> dict[Name, list[Any]]:
    """The rows of every list, by its name; ``owner`` is the one row whose lists they are.

    One query. Raises the owner's DoesNotExist.
    """
    found = owner.values_list(*(_rows(each) for each in lists.values())).get()
    return {
        name: [_made(listed.rows.model, said, listed) for said in rows or ()]
        for (name, listed), rows in zip(lists.items(), found, strict=True)
    }


def _rows(listed: Listed) -> ArraySubquery:
    said: dict[str, Any] = {each: F(each) for each in listed.also}
    said |= {name: _rows(lines) for name, lines in listed.lines.items()}
    whole = _object(listed.rows.model, listed.related, without=listed.without, **said)
    return ArraySubquery(listed.rows.values(as_json=whole))


def _object(
    model: type[Model],
    related: Sequence[str],
    *,
    prefix: str = "",
    without: Sequence[str] = (),
    **also: Any,
) -> JSONObject:
    names = [each.attname for each in _fields(model, without)]
    said: dict[str, Any] = {name: F(prefix + name) for name in names}
    for name, beyond in _steps(related).items():
        said[name] = _object(_target(model, name), beyond, prefix=f"{prefix}{name}__")
    return JSONObject(**said, **also)


def _made(model: type[Model], said: Mapping[str, Any], listed: Listed) -> Any:
    row = _row(model, said, listed.related, without=listed.without)
    for name in listed.also:
        setattr(row, name, said[name])
    for name, lines in listed.lines.items():
        loaded = [_made(lines.rows.model, each, lines) for each in said[name]]
        setattr(row, f"loaded_{name}", loaded)
    return row


def _row(
    model: type[Model], said: Mapping[str, Any], related: Sequence[str], without: Sequence[str] = ()
) -> Any:
    fields = list(_fields(model, without))
    values = [each.to_python(said[each.attname]) for each in fields]
    row: Any = model.from_db("default", [each.attname for each in fields], values)
    for name, beyond in _steps(related).items():
        target = _target(model, name)
        there = said[name][target._meta.pk.attname] is not None
        setattr(row, name, _row(target, said[name], beyond) if there else None)
    return row


def _fields(model: type[Model], without: Sequence[str]) -> "Iterator[Field[Any, Any]]":
    for each in model._meta.concrete_fields:
        if each.attname not in without and not isinstance(each, BinaryField):
            yield each


def _steps(related: Sequence[str]) -> dict[str, list[str]]:
    """``price__product`` and ``account`` by their first step: what lies beyond it."""
    found: dict[str, list[str]] = {}
    for path in related:
        first, _, beyond = path.partition("__")
        found.setdefault(first, []).extend([beyond] if beyond else [])
    return found


def _target(model: type[Model], name: str) -> type[Model]:
    target = model._meta.get_field(name).related_model
    assert isinstance(target, type)
    return target
