"""Tenancy: what every row of a tenant is, and how it may be read.

Three promises, kept from the first migration (see ``docs/decisions/0002-tenancy.md``):

* a query that does not name a project does not run: :class:`UnscopedQuery` is raised;
* a foreign key between two tenants' tables contains the project, so the database refuses
  a row that points at another tenant's (:class:`TenantForeignKey`);
* every unique key starts with the project, so a collision tells nothing about a neighbour.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement

if TYPE_CHECKING:
    from projects.models import Project

ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)


class UnscopedQuery(RuntimeError):
    """A tenant's table was about to be read without saying whose rows."""


class ProjectQuerySet(models.QuerySet[ModelT_co]):
    """A query over tenants' rows; it runs only once it says whose rows it wants."""

    _scoped = False

    def for_project(self, project: "Project | str") -> Self:
        """Only this project's rows; new rows made through the result belong to it."""
        project_id = project if isinstance(project, str) else project.pk
        scoped = self.filter(project_id=project_id)
        scoped._scoped = True
        scoped._hints["project_id"] = project_id
        return scoped

    def across_projects(self) -> Self:
        """Every project's rows: for operators, sweeps and reconciliation only."""
        everything = self.all()
        everything._scoped = True
        return everything

    def create(self, **kwargs: Any) -> ModelT_co:
        if "project_id" in self._hints and "project" not in kwargs:
            kwargs.setdefault("project_id", self._hints["project_id"])
        return super().create(**kwargs)

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # private in the stubs
        clone._scoped = self._scoped
        return clone

    def _demand_scope(self) -> None:
        follows_a_row = isinstance(self._hints.get("instance"), ProjectOwned)
        if not (self._scoped or follows_a_row or self.query.is_empty()):
            raise UnscopedQuery(
                f"{self.model.__name__} belongs to projects: "
                "start the query with .for_project(project)."
            )

    def _fetch_all(self) -> None:
        self._demand_scope()
        super()._fetch_all()  # type: ignore[misc]  # private in the stubs

    def iterator(self, *args: Any, **kwargs: Any) -> Any:
        self._demand_scope()
        return super().iterator(*args, **kwargs)

    def count(self) -> int:
        self._demand_scope()
        return super().count()

    def exists(self) -> bool:
        self._demand_scope()
        return super().exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self._demand_scope()
        return super().aggregate(*args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        self._demand_scope()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        self._demand_scope()
        return super().delete()


class TenantForeignKey(models.BaseConstraint):
    """FOREIGN KEY (project_id, column) REFERENCES target (project_id, id), in SQL.

    Declared in ``Meta.constraints`` beside a ``ForeignKey(..., db_constraint=False)``: the
    composite key replaces Django's single-column one, which would let a row of one tenant point
    at a row of another (foreign key checks bypass row-level security too). A NULL column is
    not checked (MATCH SIMPLE); the project is never NULL.
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
        assert model is not None
        assert schema_editor is not None
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

    def remove_sql(
        self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None
    ) -> Statement:
        assert model is not None
        assert schema_editor is not None
        quote = schema_editor.quote_name
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=quote(model._meta.db_table),
            name=quote(self.name),
        )

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do before the write: the database decides."""

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        path = f"{self.__class__.__module__}.{self.__class__.__name__}"
        return path, (), {"column": self.column, "to": self.to, "name": self.name}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TenantForeignKey):
            return (self.name, self.column, self.to) == (other.name, other.column, other.to)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.column, self.to))


def tenant_key(table: str) -> models.UniqueConstraint:
    """The (project, id) key that composite foreign keys of other tables refer to."""
    return models.UniqueConstraint(fields=["project", "id"], name=f"{table}_project_id_key")


def tenant_links(table: str, links: Iterable[tuple[str, str]]) -> list[TenantForeignKey]:
    """One composite foreign key for each (field name, "app.Model") of a tenant's table."""
    return [
        TenantForeignKey(column=column, to=to, name=f"{table}_{column}_tenant_fk")
        for column, to in links
    ]


class ProjectOwned(models.Model):
    """A row that belongs to exactly one tenant. Every business table is one."""

    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[ProjectQuerySet[Self]] = ProjectQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        abstract = True
