"""Read what the rows of a page need with one query for all of them, not one per row.

Rows that were read together are *peers*. The first of them that a nested field is resolved for
reads the field for all, and the others take their part. A query so costs one read per nested field,
however many rows there are. See docs/decisions/0041-graphql-over-our-bodies.md.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from graph_api.request import QueryInfo

RowT = TypeVar("RowT")
ValueT = TypeVar("ValueT")


class Peers(Generic[RowT]):
    """Rows that were read together, and what nested fields have read for them."""

    def __init__(self, rows: Sequence[RowT]) -> None:
        self.rows = rows
        self._outcomes: dict[tuple[str, ...], object] = {}

    def read(self, info: QueryInfo, read_all: Callable[[Sequence[RowT]], ValueT]) -> ValueT:
        """Return what ``read_all`` returns for all rows, or raise what it raises. It is called once
        per field of the query: the path of the answer, without positions in lists, tells fields
        with other arguments apart."""
        path = tuple(part for part in info.path.as_list() if isinstance(part, str))
        if path not in self._outcomes:
            self._outcomes[path] = self._outcome(read_all)
        outcome = self._outcomes[path]
        if isinstance(outcome, Exception):
            raise outcome
        return cast(ValueT, outcome)

    def _outcome(self, read_all: Callable[[Sequence[RowT]], ValueT]) -> ValueT | Exception:
        """An error is kept, too: a hundred rows must not read a hundred times what is refused."""
        try:
            return read_all(self.rows)
        except Exception as error:  # noqa: BLE001  # it is raised for every row
            return error
