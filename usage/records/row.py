"""A record on its way into the database."""

from datetime import datetime
from typing import NamedTuple


class Row(NamedTuple):
    """A record as it is stored."""

    id: str
    customer_id: str
    meter_id: str
    occurred_at: datetime
    value: int
    member: bytes | None
    is_forwarded: bool = False

    def repeats(self, other: "Row") -> bool:
        """Whether both say the same, but for the moment."""
        return self[1:3] == other[1:3] and self[4:6] == other[4:6]
