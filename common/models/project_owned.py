"""Tenancy: what every row of a tenant is, and how it may be read.

A query that does not name a project does not run: :class:`UnscopedQuery` is raised. Rows that are
reached from a tenant's row (``checkout.customer``, ``checkout.lines.all()``) are its own by the
composite foreign keys (:mod:`common.models.tenant_foreign_key`), so following one is allowed.
"""

from typing import Any, ClassVar, NoReturn, Self, TypeVar

from django.db import models

ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)


class UnscopedQuery(RuntimeError):
    """A tenant's table was about to be read without saying whose rows."""


class ProjectQuerySet(models.QuerySet[ModelT_co]):
    """A query over tenants' rows; it runs only once it says whose rows it wants."""

    is_scoped = False
    _hints: dict[str, Any]

    def for_project(self, project: models.Model | str) -> Self:
        """Only the rows of this project (or of the one with this id); new rows made through the
        result belong to it."""
        project_id = project if isinstance(project, str) else project.pk
        scoped = self.filter(project_id=project_id)
        scoped._hints = {**self._hints, "project_id": project_id}  # noqa: SLF001  # a query set's own
        scoped.is_scoped = True
        return scoped

    def across_projects(self) -> Self:
        """Every project's rows: for operators, sweeps and reconciliation only."""
        everything = self.all()
        everything.is_scoped = True
        return everything

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
        """Raises UnscopedQuery unless the query says whose rows it wants."""
        follows_a_row = isinstance(self._hints.get("instance"), ProjectOwned)
        if not (self.is_scoped or follows_a_row or self.query.is_empty()):
            raise UnscopedQuery(
                f"{self.model.__name__} belongs to projects: "
                "start the query with .for_project(project)."
            )

    def _demand_scope_of(self, other: Any) -> None:
        """Neither half of a combined query may bring in rows of everybody."""
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
    """A row that belongs to exactly one tenant. Every business table is one."""

    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[ProjectQuerySet[Self]] = ProjectQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the methods of the query set

    class Meta:
        abstract = True
