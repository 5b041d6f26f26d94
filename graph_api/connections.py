"""Relay's connections over the cursor pages of REST: newest first, ``first`` ≤ 100."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from strawberry.relay import PageInfo

from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT, CursorPagination
from common.errors import Invalid

NodeT = TypeVar("NodeT")

First = Annotated[int, strawberry.argument(description="Rows per page, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="`endCursor` of the previous page.")]


@strawberry.type(name="Edge", description="A node with its cursor.")
class GraphEdge(Generic[NodeT]):
    cursor: str
    node: NodeT


@strawberry.type(name="Connection", description="A page of a list, newest first.")
class GraphConnection(Generic[NodeT]):
    edges: list[GraphEdge[NodeT]]
    page_info: PageInfo

    @strawberry.field(description="The nodes of the edges.")  # type: ignore[untyped-decorator]
    def nodes(self) -> list[NodeT]:
        return [edge.node for edge in self.edges]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows of a list are requested, and after which cursor.

    Raises Invalid for a number outside 1 to 100.
    """

    first: int = DEFAULT_LIMIT
    after: str | None = None
    pagination: CursorPagination = field(default_factory=CursorPagination)

    def __post_init__(self) -> None:
        if not 1 <= self.first <= MAX_LIMIT:
            raise Invalid(f"A whole number from 1 to {MAX_LIMIT}.", field="first")


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows of a page, and whether more follow."""

    rows: list[Any]
    has_more: bool


def page_of(rows: QuerySet[Any], page: PageRequest) -> RowPage:
    """One page of the rows. Raises ValidationError for an invalid cursor."""
    ordered = page.pagination.ordered(_after(rows, page))
    return _cut(list(ordered[: page.first + 1]), page)


def pages_of(
    rows: QuerySet[Any], page: PageRequest, *, parent: str, parents: Collection[str]
) -> dict[str, RowPage]:
    """One page of each parent's rows, by the parent's id: one query for all parents.

    ``parent``: the column of the rows that refers to it. Raises ValidationError for an invalid
    cursor.
    """
    of_parents = _after(rows, page).filter(**{f"{parent}__in": list(parents)})
    number = Window(RowNumber(), partition_by=F(parent), order_by=F("pk").desc())
    numbered = of_parents.annotate(row_number=number).filter(row_number__lte=page.first + 1)
    rows_by_parent: dict[str, list[Any]] = {each: [] for each in parents}
    for row in page.pagination.ordered(numbered):
        rows_by_parent[getattr(row, parent)].append(row)
    return {each: _cut(own_rows, page) for each, own_rows in rows_by_parent.items()}


def _after(rows: QuerySet[Any], page: PageRequest) -> Any:
    return rows if page.after is None else page.pagination.after(rows, page.after)


def _cut(rows: list[Any], page: PageRequest) -> RowPage:
    return RowPage(rows[: page.first], has_more=len(rows) > page.first)


def connection(
    page: RowPage, nodes: Sequence[NodeT], request: PageRequest
) -> GraphConnection[NodeT]:
    """The connection of a page, whose rows the nodes were built from."""
    cursors = [request.pagination.cursor_of(row) for row in page.rows]
    return GraphConnection(
        edges=[
            GraphEdge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)
        ],
        page_info=PageInfo(
            has_next_page=page.has_more,
            has_previous_page=False,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
    )


def connections(
    pages: Mapping[str, RowPage],
    build: Callable[[Sequence[Any]], Sequence[NodeT]],
    request: PageRequest,
) -> dict[str, GraphConnection[NodeT]]:
    """The connections of several parents' pages. The nodes of all are peers: ``build`` is called
    once."""
    nodes = iter(build([row for page in pages.values() for row in page.rows]))
    return {
        parent: connection(page, [next(nodes) for _ in page.rows], request)
        for parent, page in pages.items()
    }
