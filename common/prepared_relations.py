"""Rows below a row (an invoice's lines), read with prepared queries and kept with it.

Django builds the query of a reverse relation anew each time, and ``prefetch_related_objects`` one
for each relation: half a millisecond of CPU time each, where PostgreSQL needs a tenth of it. What
runs for every webhook loads its relations here; everything else prefetches as usual, and
:func:`rows_of` finds both.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db.models import ManyToOneRel, Model, prefetch_related_objects

from common.models import ProjectOwned
from common.prepared_queries import Parameter, PreparedQuery, is_any


def load(rows: Sequence[ProjectOwned], *names: str) -> None:
    """Read these relations of stored rows of one model and project: one query for each that is not
    loaded yet."""
    for name in names:
        missing = [row for row in rows if name not in row.loaded_relations]
        if missing:
            _load(missing, name)


def prefetch(rows: Sequence[ProjectOwned], *names: str) -> None:
    """The same for rows of any number of projects, by Django's prefetch."""
    prefetch_related_objects(rows, *names)
    for row in rows:
        for name in names:
            row.loaded_relations[name] = list(getattr(row, name).all())


def rows_of(row: ProjectOwned, name: str) -> list[Any]:
    """The rows of the relation: those that were loaded, or else Django's, in the same order."""
    loaded = row.loaded_relations.get(name)
    return list(getattr(row, name).all()) if loaded is None else loaded


def reload(row: ProjectOwned, name: str) -> None:
    """Read the relation again: rows were added or removed."""
    if row.loaded_relations.pop(name, None) is None:
        row.refresh_from_db(fields=[name])
    else:
        _load([row], name)


def _load(rows: Sequence[ProjectOwned], name: str) -> None:
    relation = type(rows[0])._meta.get_field(name)
    assert isinstance(relation, ManyToOneRel)
    owners = {row.pk: row for row in rows}
    below: dict[str, list[Any]] = {pk: [] for pk in owners}
    query = _query(relation)
    for child in query.rows(project_id=rows[0].project_id, ids=sorted(owners)):
        owner = owners[getattr(child, relation.field.attname)]
        setattr(child, relation.field.name, owner)
        below[owner.pk].append(child)
    for row in rows:
        row.loaded_relations[name] = below[row.pk]


@cache
def _query(relation: ManyToOneRel) -> PreparedQuery[Model]:
    model: Any = relation.related_model
    key = relation.field.attname
    return PreparedQuery(
        lambda: model.objects.for_project(Parameter("project_id")).filter(is_any(key, "ids"))
    )
