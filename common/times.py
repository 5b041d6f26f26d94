"""Moments as the API writes them."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """The moment in UTC, such as ``2026-11-21T09:30:00.123456Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
