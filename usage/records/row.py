"""A record before it is stored."""

from datetime import datetime
from typing import NamedTuple


class RecordRow(NamedTuple):
    """The columns of a record to store."""

    id: str
    customer_id: str
    meter_id: str
    occurred_at: datetime
    value: int
    member: bytes | None
    is_forwarded: bool = False

    def repeats(self, other: "RecordRow") -> bool:
        """Whether both are equal except for id and moment."""
        return self[1:3] == other[1:3] and self[4:6] == other[4:6]
