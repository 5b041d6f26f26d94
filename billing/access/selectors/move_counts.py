"""The number of subscriptions that a rollout moves, by result."""

from typing import Any, TypeVar

from django.db.models import Count, Q, QuerySet

from billing.models.rollout import MoveStatus

RowsT = TypeVar("RowsT", bound=QuerySet[Any])


def with_moves(rows: RowsT) -> RowsT:
    """Adds ``move_count``, ``moved`` and ``refused`` to each row."""
    counts: dict[str, Any] = {
        "move_count": Count("moves"),
        "moved": Count("moves", filter=Q(moves__status=MoveStatus.DONE)),
        "refused": Count("moves", filter=Q(moves__status=MoveStatus.REFUSED)),
    }
    annotated: RowsT = rows.annotate(**counts)
    return annotated
