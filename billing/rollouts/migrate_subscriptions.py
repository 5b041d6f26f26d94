"""Move the subscriptions that a rollout names to another price: one by one, in the background.

Each is the same change that a tenant would ask for, made at most once, and what became of it stays
with the rollout. While Stripe is away the rest waits.
"""

from datetime import datetime, timedelta

import structlog
from django.db.models.functions import Now

from billing.errors import OtherPrice
from billing.models import Rollout, RolloutMove, Subscription
from billing.models.rollout import MoveStatus
from billing.rollouts.planned_change import Move, Terms
from billing.stripe.errors import StripeCredentialsRefused
from billing.subscriptions import changes as subscription_changes
from billing.subscriptions.selectors import subscriptions
from common import batch_runs, fair_queue
from common.errors import DomainError, Unavailable
from common.fair_queue import Rule
from common.locks import only_one
from common.models import RunStatus

log = structlog.get_logger(__name__)

RULE = Rule(queue="rollouts")
"""While Stripe does not answer, or the account's key is refused."""
MOST = 50
"""Rollouts that are looked at for one that nobody is at."""


def turn(*, at: datetime) -> bool:
    """Make the next move of a rollout that is due; False when there is none, or all are in hand."""
    due = Rollout.objects.across_projects().select_related("product")
    due = due.filter(
        ~fair_queue.is_waiting(RULE, owner="project_id", subject="pk"),
        status=RunStatus.MOVING,
        next_try_at__lte=Now(),
    )
    for rollout in fair_queue.in_turn(
        due, owner="project_id", order=("next_try_at", "pk"), limit=MOST
    ):
        with only_one(f"billing.rollout.{rollout.pk}") as is_ours:
            if is_ours:
                return _next(rollout, at)
    return False


def _next(rollout: Rollout, at: datetime) -> bool:
    moves = RolloutMove.objects.for_project(rollout.project_id).filter(rollout=rollout)
    move = moves.filter(status=MoveStatus.WAITING).order_by("pk").first()
    if move is None:
        batch_runs.end(rollout, at=at)
        rollout.save(update_fields=["status", "finished_at"])
        return True
    try:
        _make(rollout, move, at)
    except (Unavailable, StripeCredentialsRefused) as error:
        pause = timedelta(seconds=error.retry_after or 0)
        fair_queue.fail(
            RULE, owner=rollout.project_id, subject=rollout.pk, error=error, at_least=pause
        )
        _update(rollout, last_error=error.code)
        return True
    except DomainError as refusal:
        _settle(move, at, code=refusal.code, detail=refusal.detail or refusal.title)
    except Exception as error:  # noqa: BLE001  # written down with the move; the others go on
        log.warning("move_failed", move=move.pk, error=type(error).__name__)
        _settle(move, at, code="failed", detail=type(error).__name__)
    else:
        _settle(move, at)
    if rollout.last_error:
        fair_queue.succeed(RULE, owner=rollout.project_id, subjects=[rollout.pk])
    _update(rollout, next_try_at=Now(), last_error="")
    return True


def _make(rollout: Rollout, move: RolloutMove, at: datetime) -> None:
    terms = Terms.from_json(rollout.terms)
    assert terms.move is not None
    row = subscriptions.get(project=rollout.project, subscription_id=move.subscription_id)
    if not _pays(row, terms.move) and not subscription_changes.is_begun(row, request=move.pk):
        raise OtherPrice("It has left the price since this was planned.")
    subscription_changes.make(
        subscription=row,
        product_id=rollout.product_id,
        change=terms.move.change,
        request=move.pk,
        actor=rollout.started_by,
        reason=rollout.reason,
        at=at,
    )


def _pays(row: Subscription, move: Move) -> bool:
    return any(item.price_id == move.from_price for item in row.items.all())


def _settle(move: RolloutMove, at: datetime, *, code: str = "", detail: str = "") -> None:
    move.status = MoveStatus.REFUSED.value if code else MoveStatus.DONE.value
    move.code, move.detail, move.finished_at = code, detail, at
    move.save(update_fields=["status", "code", "detail", "finished_at"])


def _update(rollout: Rollout, **values: object) -> None:
    Rollout.objects.for_project(rollout.project_id).filter(pk=rollout.pk).update(**values)
