"""Rows of the sync queue by state (the values of ``SyncObject.state``), and their lock."""

from datetime import datetime
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet, Value

from billing.models import SyncObject
from billing.sync import queue_sql

_PARKED = Q(parked_at__isnull=False)
_BEHIND = Q(applied__lt=F("requested"))
_FOREIGN = Q(foreign_at__isnull=False)

IN_STATE: dict[str, Q] = {
    "waiting": _BEHIND & ~_PARKED,
    "parked": _PARKED,
    "foreign": _FOREIGN & ~_BEHIND & ~_PARKED,
    "applied": ~_FOREIGN & ~_BEHIND & ~_PARKED,
}


def unfinished_by_kind() -> list[tuple[str, str, int, datetime]]:
    """State (``waiting`` or ``parked``), kind, number and oldest due time of the objects that are
    not applied; one query."""
    waiting, parked = (
        SyncObject.objects.filter(condition)
        .values("kind", state=Value(state))
        .annotate(n=Count("pk"), oldest=Min("next_try_at"))
        .values_list("state", "kind", "n", "oldest")
        for state, condition in (
            ("waiting", Q(applied__lt=F("requested"), parked_at__isnull=True)),
            ("parked", _PARKED),
        )
    )
    return list(waiting.union(parked, all=True))


def lock_in_order(rows: QuerySet[SyncObject]) -> QuerySet[Any]:
    """A subquery of the keys of these rows, which locks them in ``queue_sql.LOCK_ORDER``."""
    return rows.order_by(*queue_sql.LOCK_ORDER).select_for_update(of=("self",)).values("pk")
