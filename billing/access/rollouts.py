"""Apply a change of what a product gives to all its holders.

A rollout works in batches, in the background, from our own rows; Stripe is not asked. It stands for
one version of the catalog: a change while it runs waits for the running batch, ends the rollout and
starts another one that visits all holders again. Repeating a batch changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from billing.access import apply_to_holders, rollout_events
from billing.access.selectors import holders
from billing.models import Product, Rollout, RolloutMove
from billing.models.rollout import MoveStatus
from common import batch_runs
from common.batch_runs import Job
from common.models import RunStatus
from common.queue import enqueue
from common.selectors import batch_runs as batch_run_selectors
from projects.customers import selectors as customers

TASK = "billing.roll_out"


def start(*, product: Product, actor: str, at: datetime, reason: str = "") -> Rollout | None:
    """Start a rollout of a new catalog version of a locked product, and end older rollouts.

    None for a product that does not exist at Stripe, which nobody can have bought.
    """
    if product.stripe_id is None:
        return None
    rollout = Rollout(
        project_id=product.project_id,
        product=product,
        started_by=actor,
        reason=reason,
        applied_at=at,
    )
    begin(rollout=rollout, at=at)
    rollout.save()
    rollout_events.record_start(rollout, before={}, at=at)
    enqueue(TASK)
    return rollout


def begin(*, rollout: Rollout, at: datetime) -> None:
    """Give the rollout the next catalog version of its locked product and mark it as running. The
    caller saves the rollout and enqueues the task."""
    product = rollout.product
    product.catalog_version += 1
    product.save(update_fields=["catalog_version", "updated_at"])
    supersede(product=product, at=at)
    rollout.catalog_version, rollout.status = product.catalog_version, RunStatus.RUNNING.value


def supersede(*, product: Product, at: datetime) -> None:
    """End running rollouts of older versions of the product, after their current batch.

    Subscriptions that such a rollout moves are still moved.
    """
    rows = Rollout.objects.for_project(product.project_id).filter(product=product)
    for row in batch_run_selectors.lock_running(rows):
        finish_or_move(row, at, without_moves=RunStatus.SUPERSEDED)
        row.save(update_fields=["status", "finished_at"])


def _apply_batch(rollout: Rollout, ids: Sequence[str], at: datetime) -> int:
    """Apply the product to these customers; returns how many had a changed fact."""
    locked = customers.lock_many(project_id=rollout.project_id, customer_ids=ids)
    return apply_to_holders.apply(product=rollout.product, customers=locked, at=at)


def finish_or_move(
    rollout: Rollout, at: datetime, *, without_moves: RunStatus = RunStatus.DONE
) -> None:
    """Set the status to ``moving`` if moves are waiting, else end. The caller saves the rollout."""
    moves = RolloutMove.objects.for_project(rollout.project_id)
    if moves.filter(rollout=rollout, status=MoveStatus.WAITING).exists():
        rollout.status = RunStatus.MOVING.value
        return
    with rollout_events.recorded_end(rollout, at=at):
        batch_runs.end(rollout, at=at, status=without_moves)


JOB: Job[Rollout] = Job(
    runs=lambda: Rollout.objects.across_projects().select_related("product"),
    count=lambda run: holders.customers(run.product).count(),
    batch=lambda run, limit: holders.customer_ids_after(
        run.product, cursor=run.cursor, limit=limit
    ),
    work=_apply_batch,
    finish=finish_or_move,
)
