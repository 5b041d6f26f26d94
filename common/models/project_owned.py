"""Tenancy: the base class of tenants' rows, and the query set that enforces a project.

A query that names no project raises :class:`UnscopedQuery`. Following a relation of a tenant's row
(``checkout.customer``, ``checkout.lines.all()``) is allowed: composite foreign keys
(:mod:`common.models.tenant_foreign_key`) keep the related rows in the same project.
"""

from typing import Any, ClassVar, NoReturn, Self, TypeVar

from django.db import models

ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)


class UnscopedQuery(RuntimeError):
    """A query on a tenant's table named no project."""


class ProjectQuerySet(models.QuerySet[ModelT_co]):
    """A query on tenants' rows; it runs only after its scope was chosen."""

    is_scoped = False
    _hints: dict[str, Any]

    def for_project(self, project: models.Model | str) -> Self:
        """Only rows of this project (or project id); rows created through the result belong to
        it."""
        project_id = project if isinstance(project, str) else project.pk
        scoped = self.filter(project_id=project_id)
        scoped._hints = {**self._hints, "project_id": project_id}  # noqa: SLF001  # a query set's own
        scoped.is_scoped = True
        return scoped

    def across_projects(self) -> Self:
        """Rows of all projects: only for operators, sweeps and reconciliation."""
        rows = self.all()
        rows.is_scoped = True
        return rows

    def create(self, **kwargs: Any) -> ModelT_co:
        if "project_id" in self._hints and "project" not in kwargs:
            kwargs.setdefault("project_id", self._hints["project_id"])
        return super().create(**kwargs)

    def raw(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnscopedQuery(f"Raw SQL over {self.model.__name__} names no project.")

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # private in the stubs
        clone.is_scoped = self.is_scoped
        return clone

    def demand_scope(self) -> None:
        """Raise UnscopedQuery unless a scope was chosen or the query follows a relation of a
        row."""
        follows_a_row = isinstance(self._hints.get("instance"), ProjectOwned)
        if not (self.is_scoped or follows_a_row or self.query.is_empty()):
            raise UnscopedQuery(
                f"{self.model.__name__} belongs to projects: "
                "start the query with .for_project(project)."
            )

    def _demand_scope_of(self, other: Any) -> None:
        """Check both parts of a combined query."""
        self.demand_scope()
        if isinstance(other, ProjectQuerySet):
            other.demand_scope()

    def __and__(self, other: Any) -> Self:
        self._demand_scope_of(other)
        return super().__and__(other)

    def __or__(self, other: Any) -> Self:
        self._demand_scope_of(other)
        return super().__or__(other)

    def __xor__(self, other: Any) -> Self:
        self._demand_scope_of(other)
        return super().__xor__(other)

    def union(self, *others: Any, **kwargs: Any) -> Self:
        for other in others:
            self._demand_scope_of(other)
        return super().union(*others, **kwargs)

    def _fetch_all(self) -> None:
        self.demand_scope()
        super()._fetch_all()

    def iterator(self, *args: Any, **kwargs: Any) -> Any:
        self.demand_scope()
        return super().iterator(*args, **kwargs)

    def count(self) -> int:
        self.demand_scope()
        return super().count()

    def exists(self) -> bool:
        self.demand_scope()
        return super().exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self.demand_scope()
        return super().aggregate(*args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        self.demand_scope()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        self.demand_scope()
        return super().delete()


class ProjectOwned(models.Model):
    """A row that belongs to exactly one tenant; base class of every business table."""

    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[ProjectQuerySet[Self]] = ProjectQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the methods of the query set

    class Meta:
        abstract = True
