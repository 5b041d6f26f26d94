"""Move the subscriptions of a rollout to another price: one by one, in the background.

Each move is the change that a tenant could request. It is made at most once, and its result is
stored with the rollout. While Stripe is unavailable the remaining moves wait.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models.functions import Now

from billing.access import rollout_events
from billing.errors import OtherPrice
from billing.models import Rollout, RolloutMove, Subscription
from billing.models.rollout import MoveStatus
from billing.rollouts import selectors as rollout_selectors
from billing.rollouts.planned_change import PlannedProductChange, PriceMove
from billing.stripe.errors import StripeCredentialsRefused
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions.selectors import subscriptions
from common import batch_runs, fair_queue
from common.errors import DomainError, Unavailable
from common.fair_queue import RetryRule
from common.locks import try_advisory_lock
from common.models import RunStatus

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="rollouts")
"""Back-off of a project whose Stripe account is unavailable or refuses the key."""
MAX_ROLLOUTS = 50
"""Rollouts that are tried to find one that no other worker has locked."""


def run_next_move(*, at: datetime) -> bool:
    """Make the next move of a due rollout. False if no rollout is due or all are locked."""
    due = Rollout.objects.across_projects().select_related("product")
    due = due.filter(
        ~fair_queue.is_backing_off(RULE, owner="project_id", subject="pk"),
        status=RunStatus.MOVING,
        next_try_at__lte=Now(),
    )
    for rollout in fair_queue.round_robin(
        due, owner="project_id", order=("next_try_at", "pk"), limit=MAX_ROLLOUTS
    ):
        with try_advisory_lock(f"billing.rollout.{rollout.pk}") as is_ours:
            if is_ours:
                return _run_move(rollout, at)
    return False


def _run_move(rollout: Rollout, at: datetime) -> bool:
    moves = RolloutMove.objects.for_project(rollout.project_id).filter(rollout=rollout)
    move = moves.filter(status=MoveStatus.WAITING).order_by("pk").first()
    if move is None:
        _end(rollout, at)
        return True
    try:
        _change_subscription(rollout, move, at)
    except (Unavailable, StripeCredentialsRefused) as error:
        pause = timedelta(seconds=error.retry_after or 0)
        fair_queue.record_failure(
            RULE, owner=rollout.project_id, subject=rollout.pk, error=error, at_least=pause
        )
        _update(rollout, last_error=error.code)
        return True
    except DomainError as refusal:
        _finish_move(move, at, code=refusal.code, detail=refusal.detail or refusal.title)
    except Exception as error:  # noqa: BLE001  # stored with the move; other moves continue
        log.warning("move_failed", move=move.pk, error=type(error).__name__)
        _finish_move(move, at, code="failed", detail=type(error).__name__)
    else:
        _finish_move(move, at)
    if rollout.last_error:
        fair_queue.record_success(RULE, owner=rollout.project_id, subjects=[rollout.pk])
    _update(rollout, next_try_at=Now(), last_error="")
    return True


def _end(rollout: Rollout, at: datetime) -> None:
    """End the rollout, unless another worker has done so since it was read."""
    with transaction.atomic():
        row = rollout_selectors.lock(project_id=rollout.project_id, rollout_id=rollout.pk)
        if row.status == RunStatus.MOVING:
            with rollout_events.recorded_end(row, at=at):
                batch_runs.end(row, at=at)
            row.save(update_fields=["status", "finished_at"])


def _change_subscription(rollout: Rollout, move: RolloutMove, at: datetime) -> None:
    change = PlannedProductChange.from_json(rollout.terms)
    assert change.move is not None
    row = subscriptions.get(project=rollout.project, subscription_id=move.subscription_id)
    if not _pays(row, change.move) and not subscription_changes.was_requested(row, request=move.pk):
        raise OtherPrice("It has left the price since this was planned.")
    subscription_changes.apply_change(
        subscription=row,
        product_id=rollout.product_id,
        change=change.move.change,
        request=move.pk,
        actor=rollout.started_by,
        reason=rollout.reason,
        at=at,
    )


def _pays(row: Subscription, move: PriceMove) -> bool:
    return any(item.price_id == move.from_price for item in row.items.all())


def _finish_move(move: RolloutMove, at: datetime, *, code: str = "", detail: str = "") -> None:
    move.status = MoveStatus.REFUSED.value if code else MoveStatus.DONE.value
    move.code, move.detail, move.finished_at = code, detail, at
    move.save(update_fields=["status", "code", "detail", "finished_at"])


def _update(rollout: Rollout, **values: object) -> None:
    Rollout.objects.for_project(rollout.project_id).filter(pk=rollout.pk).update(**values)
