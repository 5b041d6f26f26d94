"""What a product entitles to has changed: have everybody follow who holds it.

In batches, in the background, from our own rows; Stripe is not asked. A rollout stands for one
version of the catalog: a change while it runs waits for the batch in hand, ends it, and begins
another one that looks at everybody again. Repeating a batch changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from billing.access import apply_to_holders
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
    """Count one more version of what a locked product entitles to, and bring it to its holders.

    What runs for an older version ends. None for a product that nobody can have bought yet.
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
    enqueue(TASK)
    return rollout


def begin(*, rollout: Rollout, at: datetime) -> None:
    """Have it stand for the next version of its product, whose row is locked. The caller saves
    it, and rings."""
    product = rollout.product
    product.catalog_version += 1
    product.save(update_fields=["catalog_version", "updated_at"])
    supersede(product=product, at=at)
    rollout.catalog_version, rollout.status = product.catalog_version, RunStatus.RUNNING.value


def supersede(*, product: Product, at: datetime) -> None:
    """End what runs for an older version of the product, once the batch in hand is done.

    Subscriptions that it names are still moved.
    """
    rows = Rollout.objects.for_project(product.project_id).filter(product=product)
    for row in batch_run_selectors.lock_running(rows):
        leave(row, at, without_moves=RunStatus.SUPERSEDED)
        row.save(update_fields=["status", "finished_at"])


def _follow(rollout: Rollout, ids: Sequence[str], at: datetime) -> int:
    """The customers follow what the product now entitles to; how many had something to follow."""
    locked = customers.lock_many(project_id=rollout.project_id, customer_ids=ids)
    return apply_to_holders.follow(product=rollout.product, customers=locked, at=at)


def leave(rollout: Rollout, at: datetime, *, without_moves: RunStatus = RunStatus.DONE) -> None:
    """Go on to the moves that wait, or end. The caller saves it."""
    moves = RolloutMove.objects.for_project(rollout.project_id)
    if moves.filter(rollout=rollout, status=MoveStatus.WAITING).exists():
        rollout.status = RunStatus.MOVING.value
    else:
        batch_runs.end(rollout, at=at, status=without_moves)


JOB: Job[Rollout] = Job(
    runs=lambda: Rollout.objects.across_projects().select_related("product"),
    count=lambda run: holders.of(run.product).count(),
    batch=lambda run, limit: holders.after(run.product, cursor=run.cursor, limit=limit),
    work=_follow,
    finish=leave,
)
