"""Tenancy: the base class of tenants' rows, and the query set that enforces a project.

A query that names no project raises :class:`UnscopedQuery`. Following a relation of a tenant's row
(``checkout.customer``, ``checkout.lines.all()``) is allowed: composite foreign keys
(:mod:`common.models.tenant_foreign_key`) keep the related rows in the same project.
"""

from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any, ClassVar, NoReturn, Self, TypeVar, overload

from django.db import models

ModelT = TypeVar("ModelT", bound=models.Model)
ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)


def project_id_of(project: models.Model | str) -> str:
    """The id of a project that is given as a row or by its id."""
    return project if isinstance(project, str) else str(project.pk)


class UnscopedQuery(RuntimeError):
    """A query on a tenant's table named no project."""


class ProjectQuerySet(models.QuerySet[ModelT_co]):
    """A query over tenants' rows; it runs only once it says whose rows it wants.

    That is said where a query begins, by :class:`ProjectManager`, and is part of its class: every
    query that is derived from it is of the same class.
    """

    is_scoped: ClassVar[bool] = False
    project_id = ""
    """The project of rows that are created; queries that are derived from this one have none."""

    def create(self, **kwargs: Any) -> ModelT_co:
        """Raises UnscopedQuery when neither the query nor the arguments name a project."""
        if "project" not in kwargs and "project_id" not in kwargs:
            if not self.project_id:
                raise UnscopedQuery(
                    f"A {self.model.__name__} belongs to a project: create it with "
                    ".for_project(project).create(...) or project=."
                )
            kwargs["project_id"] = self.project_id
        return super().create(**kwargs)

    def raw(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnscopedQuery(f"Raw SQL over {self.model.__name__} names no project.")

    def demand_scope(self) -> None:
        """Raises UnscopedQuery unless the query says whose rows it wants."""
        if not (self.is_scoped or self.query.is_empty()):
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

    def __iter__(self) -> Iterator[ModelT_co]:
        self.demand_scope()
        return super().__iter__()

    def __aiter__(self) -> AsyncIterator[ModelT_co]:
        self.demand_scope()
        return super().__aiter__()

    @overload
    def __getitem__(self, key: int) -> ModelT_co: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: int | slice) -> ModelT_co | Self:
        if isinstance(key, int):
            self.demand_scope()
        return super().__getitem__(key)

    def __len__(self) -> int:
        self.demand_scope()
        return super().__len__()

    def __bool__(self) -> bool:
        self.demand_scope()
        return super().__bool__()

    def __getstate__(self) -> dict[str, Any]:
        self.demand_scope()
        return super().__getstate__()

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


class ScopedQuerySet(ProjectQuerySet[ModelT_co]):
    """A query that says whose rows it wants."""

    is_scoped = True


class ProjectManager(models.Manager[ModelT]):
    """Where a query over tenants' rows begins.

    Django derives the managers of related rows (``cart.lines``) from this one; those have an
    ``instance``, and their rows are the tenant's whose row it is.
    """

    def get_queryset(self) -> ProjectQuerySet[ModelT]:
        if isinstance(getattr(self, "instance", None), ProjectOwned):
            return ScopedQuerySet(self.model)
        return ProjectQuerySet(self.model)

    def for_project(
        self, project: models.Model | models.Expression | str
    ) -> ProjectQuerySet[ModelT]:
        """Only the rows of this project, or of the one with this id; new rows made through the
        result belong to it."""
        project_id = project.pk if isinstance(project, models.Model) else project
        rows = self.across_projects().filter(project_id=project_id)
        if isinstance(project_id, str):
            rows.project_id = project_id
        return rows

    def across_projects(self) -> ProjectQuerySet[ModelT]:
        """Every project's rows: for operators, sweeps and reconciliation only."""
        return ScopedQuerySet(self.model)


class ProjectOwned(models.Model):
    """A row that belongs to exactly one tenant; base class of every business table."""

    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[ProjectManager[Self]] = ProjectManager()

    class Meta:
        abstract = True

    @cached_property
    def loaded_relations(self) -> dict[str, list[Any]]:
        """Rows below this one by relation, as far as ``common.prepared_relations`` has read
        them."""
        return {}
