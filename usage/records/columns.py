"""Entries and records by field: a thousand of them are checked, packed and written by a few calls.

Position ``n`` of every column belongs to the same entry or record.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple, Self

from usage.records.row import RecordRow


class EntryColumns(NamedTuple):
    """Uses as their sender reports them. Without a moment it happened when it arrives."""

    user_ids: Sequence[str]
    codes: Sequence[str]
    values: Sequence[int | str | None]
    moments: Sequence[datetime | None]
    keys: Sequence[str | None]

    def take(self, positions: Sequence[int]) -> Self:
        """The entries at these positions, in this order."""
        return type(self)(*_take(self, positions))


class RecordColumns(NamedTuple):
    """Records before they are stored."""

    ids: Sequence[str]
    customer_ids: Sequence[str]
    meter_ids: Sequence[str]
    moments: Sequence[datetime]
    values: Sequence[int]
    members: Sequence[bytes | None]
    are_forwarded: Sequence[bool]

    @classmethod
    def of(cls, rows: Sequence[RecordRow]) -> Self:
        return cls(*zip(*rows, strict=True))

    def take(self, positions: Sequence[int]) -> Self:
        """The records at these positions, in this order."""
        return type(self)(*_take(self, positions))

    def sorted_by_id(self) -> Self:
        return self.take(sorted(range(len(self.ids)), key=self.ids.__getitem__))

    def row(self, position: int) -> RecordRow:
        return RecordRow._make([column[position] for column in self])


def _take(columns: Sequence[Sequence[Any]], positions: Sequence[int]) -> list[Sequence[Any]]:
    if len(positions) < 2:  # of one position, itemgetter returns the value
        return [[column[position] for position in positions] for column in columns]
    return list(map(itemgetter(*positions), columns))
