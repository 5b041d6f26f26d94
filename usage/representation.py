"""How meters and records look outside."""

from datetime import datetime
from typing import Any

from common.times import rfc3339
from usage.models import Meter


def meter(row: Meter) -> dict[str, Any]:
    return {
        "id": row.pk,
        "code": row.code,
        "name": row.name,
        "unit": row.unit,
        "aggregation": row.aggregation,
        "created_at": rfc3339(row.created_at),
        "archived_at": _moment(row.archived_at),
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
