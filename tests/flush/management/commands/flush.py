"""Django's ``flush`` for tests that commit: it empties only the tables that have rows.

Django truncates all ninety tables with their indexes after each such test, and makes content types
and permissions anew: 0.7 s of the processors. Here those stay if no test has changed them,
and a few rows are deleted faster than a table is truncated. Where that is not possible, Django's
command does its work.
"""

from typing import Any

from django.core.management.commands import flush
from django.db import ProgrammingError, connection, transaction
from psycopg import sql

from billing.models import DriftPolicy
from billing.models.drift_report import DriftClass

MADE_BY_MIGRATE = ("auth_permission", "django_content_type")
"""Tables with rows that ``migrate`` makes."""

_made: dict[str, str | None] = {}
"""Digest of each of these tables' rows, as ``migrate`` has left them."""


def remember() -> None:
    """Remember what ``migrate`` has made; called before the first test."""
    _made.update(_digests())


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        if _made and _digests() == _made:
            try:
                _delete_all()
            except ProgrammingError:  # the user may not turn triggers off
                pass
            else:
                _make_policies()
                return
        super().handle(**options)
        _make_policies()


def _delete_all() -> None:
    """Delete all rows of the other tables, without triggers: some refuse to delete, and foreign
    keys need no check when all rows go."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in _tables_with_rows():
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def _make_policies() -> None:
    """The rows that a migration of billing has made."""
    rows = [DriftPolicy(id=drift_class) for drift_class in DriftClass]
    DriftPolicy.objects.bulk_create(rows, ignore_conflicts=True)


def _tables_with_rows() -> list[str]:
    tables = set(connection.introspection.django_table_names(only_existing=True))
    parts = [
        sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(
            sql.Literal(table), sql.Identifier(table)
        )
        for table in sorted(tables - set(MADE_BY_MIGRATE))
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(parts))
        return [table for (table,) in cursor.fetchall()]


def _digests() -> dict[str, str | None]:
    statement = sql.SQL("SELECT md5(string_agg(one::text, ',' ORDER BY one::text)) FROM {} AS one")
    digests: dict[str, str | None] = {}
    with connection.cursor() as cursor:
        for table in MADE_BY_MIGRATE:
            cursor.execute(statement.format(sql.Identifier(table)))
            (digests[table],) = cursor.fetchone()
    return digests
