"""Statements that a connection plans once: for long ones that run very often.

Django binds values on our side and sends text that is parsed and planned each time. A hot statement
of many parts costs more to plan than to run; here its values go beside it, and the server keeps
the plan for as long as the connection lives.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from psycopg import Cursor
from psycopg._queries import PostgresQuery  # psycopg's own type of what it sends


def row(statement: str, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The first row of what a constant statement returns; None when it returns nothing."""
    connection.ensure_connection()
    prepared = _Prepared(connection.connection)
    make = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with make(prepared) as cursor:  # type: ignore[arg-type]  # stubs: a cursor of psycopg's own
        cursor.execute(statement, given)
        found: tuple[Any, ...] | None = cursor.fetchone()
    return found


class _Prepared(Cursor[Any]):
    """Django lets its connections prepare nothing; this does, for the time of the call."""

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> "_Prepared":
        self.connection.prepare_threshold = 0
        try:
            super().execute(query, params, **{**kwargs, "prepare": True})
        finally:
            self.connection.prepare_threshold = None
        return self

    def _convert_query(self, query: Any, params: Any = None) -> PostgresQuery:
        """Remember the text also when the server has it already: Django logs it."""
        self._query = super()._convert_query(query, params)
        return self._query
