"""Inserts that are built once per process and planned once per connection, for rows that are
written for every webhook.

Django builds the SQL of an insert anew each time, which takes longer than PostgreSQL needs to run
it. Here the columns of all rows are arrays, so one statement of one form takes any number of rows.
How it is sent, and which errors that raises: :mod:`common.prepared_statements`.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Field, JSONField, Model
from psycopg import sql

from common import prepared_statements


class _Unsupported(Exception):
    """A value that only Django can write: an expression, or bytes."""


def insert(rows: Sequence[Model]) -> None:
    """Insert rows of one model as ``save(force_insert=True)`` would, in one statement. Raises
    Django's database errors."""
    if not rows:
        return
    form = _form_of(type(rows[0]))
    try:
        columns = {
            _column(field): [_value(field, field.pre_save(row, add=True)) for row in rows]
            for field in form.fields
        }
    except _Unsupported:
        for row in rows:
            row.save(force_insert=True)
        return
    prepared_statements.fetch_rows(form.statement, columns)
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


class _InsertForm(NamedTuple):
    statement: str
    fields: "tuple[Field[Any, Any], ...]"


@cache
def _form_of(model: type[Model]) -> _InsertForm:
    fields = tuple(model._meta.concrete_fields)
    names: list[sql.Composable] = [sql.Identifier(_column(field)) for field in fields]
    arrays: list[sql.Composable] = [
        sql.SQL("{}::{}[]").format(sql.Placeholder(_column(field)), sql.SQL(_type_of(field)))
        for field in fields
    ]
    statement = sql.SQL("INSERT INTO {} ({}) SELECT * FROM UNNEST({})").format(
        sql.Identifier(model._meta.db_table), sql.SQL(", ").join(names), sql.SQL(", ").join(arrays)
    )
    return _InsertForm(statement.as_string(), fields)


def _column(field: "Field[Any, Any]") -> str:
    return str(field.column)


def _type_of(field: "Field[Any, Any]") -> Any:
    """The type of the field's column without a length, which an insert checks in any case. It is
    Django's own name, so it may be part of a statement."""
    return str(field.db_type(connection)).partition("(")[0]


def _value(field: "Field[Any, Any]", value: Any) -> Any:
    """The value as an element of an array of text or numbers; None for NULL."""
    if value is None:
        return None
    if hasattr(value, "resolve_expression"):
        raise _Unsupported
    if isinstance(field, JSONField):
        return json.dumps(value, cls=field.encoder)
    value = field.get_db_prep_save(value, connection)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, str | int):
        raise _Unsupported
    return value
