"""Queries that Django builds once per process and PostgreSQL plans once per connection.

Django builds the SQL of a query anew each time, which takes longer than PostgreSQL needs to run it.
A query that runs for every webhook always has the same form and differs only in values. Those are
parameters here; otherwise it is written with the ORM like any query, names its project, and returns
model instances.

::

    OF_PROJECT = PreparedQuery(
        lambda: Price.objects.for_project(Parameter("project_id")).filter(is_any("id", "ids"))
    )
    prices = OF_PROJECT.rows(project_id=project.pk, ids=["price_1", "price_2"])

Values are strings, numbers, times, and lists of strings or of numbers. Constants of the query are
part of its text, so that PostgreSQL can use a partial index. How a statement is sent, and which
errors that raises: :mod:`common.prepared_statements`.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import BooleanField, Expression, F, Field, Func, Model, QuerySet
from django.db.transaction import TransactionManagementError
from psycopg import sql

from common import prepared_statements
from common.models import ProjectQuerySet

ModelT = TypeVar("ModelT", bound=Model)


class Parameter(Expression):
    """A value of a prepared query, given by name when the query runs.

    Compared with an aggregate it needs an ``output_field``, as Django's ``Value`` does.
    """

    def __init__(self, name: str, output_field: "Field[Any, Any] | None" = None) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)

    def __str__(self) -> str:
        raise TypeError("A parameter is an expression: a list of values takes is_any().")


def is_any(column: str, name: str) -> Func:
    """Condition of rows whose column equals an element of the list parameter ``name``."""
    return Func(
        F(column),
        Parameter(name),
        template="(%(expressions)s))",
        arg_joiner=" = ANY(",
        output_field=BooleanField(),
    )


class PreparedQuery(Generic[ModelT]):
    """A query of one form. ``build`` returns it, with a :class:`Parameter` for each value.

    ``related`` are the foreign keys whose rows are read with it: ``price``, ``price__product``.
    """

    def __init__(
        self, build: Callable[[], QuerySet[ModelT]], *, related: Sequence[str] = ()
    ) -> None:
        self._build = build
        self._related = related

    def rows(self, **parameters: Any) -> list[ModelT]:
        """Return the rows for these values. Raises Django's database errors, and
        TransactionManagementError for a lock outside a transaction, which would end at once."""
        compiled = self._compiled
        if compiled.is_locking and not connection.in_atomic_block:
            raise TransactionManagementError("Rows are locked inside a transaction only.")
        rows = prepared_statements.fetch_rows(compiled.statement, parameters)
        return [_instance(compiled, row) for row in rows]

    def first(self, **parameters: Any) -> ModelT | None:
        """Return the first row for these values; None without one. Raises Django's database
        errors."""
        rows = self.rows(**parameters)
        return rows[0] if rows else None

    @cached_property
    def _compiled(self) -> "_Compiled":
        """The query's SQL. A query with a lock is built inside a transaction, as Django demands."""
        query = self._build()
        parts = [_part(query.model, path) for path in ("", *self._related)]
        named = [f"{part.prefix}{name}" for part in parts for name in part.names]
        return _Compiled(
            _statement(query.values_list(*named)), tuple(parts), query.query.select_for_update
        )


class PreparedValues:
    """A query of one form whose rows are tuples. ``build`` returns a ``values_list``, of columns
    that Django reads as the database returns them (no JSON)."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build

    def rows(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows for these values. Raises Django's database errors."""
        return prepared_statements.fetch_rows(self._text, parameters)

    @cached_property
    def _text(self) -> str:
        return _statement(self._build())


class _Part(NamedTuple):
    """The columns of one model in the rows of a query."""

    model: type[Model]
    path: str
    names: tuple[str, ...]
    converters: tuple[tuple[int, Callable[..., Any]], ...]
    """Positions of columns whose field converts what the database returns."""
    key: int
    """Position of the primary key: without one there is no related row."""

    @property
    def prefix(self) -> str:
        return f"{self.path}__" if self.path else ""


class _Compiled(NamedTuple):
    statement: str
    parts: tuple[_Part, ...]
    is_locking: bool


def _part(model: type[Model], path: str) -> _Part:
    for name in filter(None, path.split("__")):
        model = model._meta.get_field(name).related_model  # type: ignore[assignment]
    fields: Sequence[Field[Any, Any]] = model._meta.concrete_fields
    return _Part(
        model=model,
        path=path,
        names=tuple(field.attname for field in fields),
        converters=tuple(
            (number, field.from_db_value)
            for number, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ),
        key=next(number for number, field in enumerate(fields) if field.primary_key),
    )


def _statement(query: QuerySet[Any, Any]) -> str:
    """The query's SQL, with ``%(name)s`` for parameters, and with its constants."""
    if isinstance(query, ProjectQuerySet):
        query.demand_scope()
    text, values = query.query.sql_with_params()
    pieces = text.split("%s")
    inserted = [
        f"%({value.name})s" if isinstance(value, Parameter) else _literal(value) for value in values
    ]
    return "".join(piece + more for piece, more in zip(pieces, [*inserted, ""], strict=True))


def _literal(value: Any) -> str:
    return sql.Literal(value).as_string(connection.connection).replace("%", "%%")


def _instance(compiled: _Compiled, row: Sequence[Any]) -> Any:
    """The model instance of a row, with its related instances."""
    instances: dict[str, Any] = {}
    begin = 0
    for part in compiled.parts:
        values = list(row[begin : begin + len(part.names)])
        begin += len(part.names)
        instance = None if values[part.key] is None else _load(part, values)
        instances[part.path] = instance
        if part.path:
            owner, _, name = part.path.rpartition("__")
            if instances[owner] is not None:
                setattr(instances[owner], name, instance)
    return instances[""]


def _load(part: _Part, values: list[Any]) -> Model:
    for number, convert in part.converters:
        values[number] = convert(values[number], None, connection)
    return part.model.from_db(DEFAULT_DB_ALIAS, part.names, values)
