"""Separation of tenants by the database itself.

A foreign key between two tenants' tables includes the project, so a row cannot refer to another
tenant's row. Every unique key starts with the project, so a collision reveals nothing about another
tenant.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement


class TenantForeignKey(models.BaseConstraint):
    """FOREIGN KEY (project_id, column) REFERENCES target (project_id, id), in SQL.

    Declared in ``Meta.constraints`` beside a ``ForeignKey(..., db_constraint=False)``: the
    composite key replaces Django's single-column key, which would allow a reference to another
    tenant's row (foreign key checks bypass row-level security too). A NULL column is not checked
    (MATCH SIMPLE); the project is never NULL.
    """

    def __init__(self, *, column: str, to: str, name: str) -> None:
        super().__init__(name=name)
        self.column = column
        self.to = to

    def constraint_sql(
        self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> str:
        self.create_sql(model, schema_editor)
        return ""

    def create_sql(  # type: ignore[override]  # Django takes None: nothing to run now
        self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> None:
        # The target and its key may come later in the same migration: added when it ends.
        if model is None or schema_editor is None:
            raise TypeError("A composite foreign key is made by a migration.")
        target = model._meta.apps.get_model(self.to)
        quote = schema_editor.quote_name
        statement = Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (%(columns)s) "
            "REFERENCES %(target)s (%(target_columns)s) DEFERRABLE INITIALLY DEFERRED",
            table=quote(model._meta.db_table),
            name=quote(self.name),
            columns=f"{quote('project_id')}, {quote(f'{self.column}_id')}",
            target=quote(target._meta.db_table),
            target_columns=f"{quote('project_id')}, {quote('id')}",
        )
        schema_editor.deferred_sql.append(statement)

    def remove_sql(  # type: ignore[override]  # a Statement, as Django's own constraints return
        self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> Statement:
        if model is None or schema_editor is None:
            raise TypeError("A composite foreign key is dropped by a migration.")
        quote = schema_editor.quote_name
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=quote(model._meta.db_table),
            name=quote(self.name),
        )

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing before the write: the database checks the key."""

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        return (
            "common.models.TenantForeignKey",
            (),
            {"column": self.column, "to": self.to, "name": self.name},
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TenantForeignKey):
            return (self.name, self.column, self.to) == (other.name, other.column, other.to)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.column, self.to))


def tenant_key(table: str) -> models.UniqueConstraint:
    """The unique key (project, id), to which composite foreign keys of other tables refer."""
    return models.UniqueConstraint(fields=["project", "id"], name=f"{table}_project_id_key")


def tenant_links(table: str, links: Iterable[tuple[str, str]]) -> list[TenantForeignKey]:
    """One composite foreign key for each pair of field name and "app.Model"."""
    return [
        TenantForeignKey(column=column, to=to, name=f"{table}_{column}_tenant_fk")
        for column, to in links
    ]
