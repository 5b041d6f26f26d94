"""Changes of products on their way to their holders, planned ones among them."""

from typing import Any, TypeVar

from django.db.models import Count, Q, QuerySet

from billing.models import Rollout, RolloutMove
from billing.models.rollout import MoveStatus
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project

RowsT = TypeVar("RowsT", bound=QuerySet[Any])


def listing(
    *, project: Project | str, product: str = "", status: str = ""
) -> ProjectQuerySet[Rollout]:
    """Those that match every filter given, with how many moves came to what."""
    wanted = {"product_id": product, "status": status}
    rows = Rollout.objects.for_project(project).filter(
        **{name: value for name, value in wanted.items() if value}
    )
    return with_moves(rows)


def with_moves(rows: RowsT) -> RowsT:
    """Adds ``move_count``, ``moved`` and ``refused`` to each row."""
    counted: dict[str, Any] = {
        "move_count": Count("moves"),
        "moved": Count("moves", filter=Q(moves__status=MoveStatus.DONE)),
        "refused": Count("moves", filter=Q(moves__status=MoveStatus.REFUSED)),
    }
    counting: RowsT = rows.annotate(**counted)
    return counting


def get(*, project: Project | str, rollout_id: str) -> Rollout:
    """One of them; raises NotFound."""
    row = listing(project=project).filter(pk=rollout_id).first()
    if row is None:
        raise NotFound("No rollout with this id.")
    return row


def refusals(*, rollout: Rollout, limit: int) -> list[RolloutMove]:
    """Subscriptions that could not be moved, with their customers; the first so many."""
    rows = RolloutMove.objects.for_project(rollout.project_id).filter(
        rollout=rollout, status=MoveStatus.REFUSED
    )
    return list(rows.select_related("subscription__customer").order_by("pk")[:limit])


def lock(*, project_id: str, rollout_id: str) -> Rollout:
    """The row, locked until the transaction ends."""
    rows = Rollout.objects.for_project(project_id).select_related("product")
    return rows.select_for_update(of=("self",)).get(pk=rollout_id)
