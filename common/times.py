"""Times in the format of the API."""

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(moment: datetime) -> str: ...
@overload
def rfc3339(moment: datetime | None) -> str | None: ...
def rfc3339(moment: datetime | None) -> str | None:
    """The time in UTC, such as ``2026-11-21T09:30:00.123456Z``; None for None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """Parse an ISO 8601 time. Raises ValueError."""
    return datetime.fromisoformat(text)


def parse_optional(text: str | None) -> datetime | None:
    """Parse an ISO 8601 time; None for None. Raises ValueError."""
    return None if text is None else datetime.fromisoformat(text)
