"""Rollouts: product changes that are planned, or applied to the product's holders."""

from billing.access.selectors.move_counts import with_moves
from billing.models import Rollout, RolloutMove
from billing.models.rollout import MoveStatus
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project


def listing(
    *, project: Project | str, product: str = "", status: str = ""
) -> ProjectQuerySet[Rollout]:
    """Rollouts that match all filters, with the counts of :func:`with_moves`."""
    filters = {"product_id": product, "status": status}
    rows = Rollout.objects.for_project(project).filter(
        **{name: value for name, value in filters.items() if value}
    )
    return with_moves(rows)


def get(*, project: Project | str, rollout_id: str) -> Rollout:
    """One rollout with its counts; raises NotFound."""
    row = listing(project=project).filter(pk=rollout_id).first()
    if row is None:
        raise NotFound("No rollout with this id.")
    return row


def refusals(*, rollout: Rollout, limit: int) -> list[RolloutMove]:
    """The first ``limit`` moves that were refused, with subscription and customer."""
    rows = RolloutMove.objects.for_project(rollout.project_id).filter(
        rollout=rollout, status=MoveStatus.REFUSED
    )
    return list(rows.select_related("subscription__customer").order_by("pk")[:limit])


def lock(*, project_id: str, rollout_id: str) -> Rollout:
    """The row, locked until the transaction ends."""
    rows = Rollout.objects.for_project(project_id).select_related("product")
    return rows.select_for_update(of=("self",)).get(pk=rollout_id)
