"""How meters and records look outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.times import rfc3339
from usage.models import Meter, Record
from usage.periods import Window
from usage.totals.selectors.totals import Span


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


def record(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.customer.user_id,
        "meter": row.meter.code,
        "value": row.value,
        "occurred_at": rfc3339(row.occurred_at),
        "recorded_at": rfc3339(row.recorded_at),
        "corrects": row.corrects or None,
        "voided_at": _moment(row.voided_at),
        "stripe_status": row.forwarding or None,
        "stripe_error": row.forwarding_error or None,
    }


def usage(
    of: Meter, *, user_id: str, span: Span, value: int, groups: Sequence[tuple[Window, int]]
) -> dict[str, Any]:
    """What one user has used of a meter."""
    return {
        "user_id": user_id,
        "meter": of.code,
        "aggregation": of.aggregation,
        "unit": of.unit,
        "from": rfc3339(span.starts_at),
        "to": rfc3339(span.ends_at),
        "value": value,
        "groups": [
            {
                "starts_at": rfc3339(window.starts_at),
                "ends_at": rfc3339(window.ends_at),
                "value": figure,
            }
            for window, figure in groups
        ],
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
