"""Planned changes of a product: saved with their impact, then applied to the product's holders.

Applying uses the saved change and the saved list of subscriptions. It is refused for a second time,
and when the product has another catalog version than at planning.
"""

from datetime import datetime

from django.db import transaction

from billing.access import rollout_events, rollouts
from billing.catalog import catalog_events, product_features, product_policies
from billing.catalog.selectors import catalog
from billing.errors import RolloutNotPlanned, RolloutOutOfDate
from billing.models import Product, Rollout, RolloutMove
from billing.rollouts import change_impact
from billing.rollouts import selectors as rollout_selectors
from billing.rollouts.change_impact import ProgressCallback
from billing.rollouts.planned_change import PlannedProductChange
from common import batch_runs
from common.models import RunStatus
from common.queue import enqueue
from events.audit import audit_trail as audit


def save(
    *,
    product: Product,
    change: PlannedProductChange,
    actor: str,
    at: datetime,
    reason: str = "",
    max_holders: int | None = None,
    on_progress: ProgressCallback = lambda number: None,
) -> Rollout:
    """Save a planned change with its present impact and the subscriptions to move. Nothing else
    changes. Raises Invalid for a change that does not fit the product."""
    version = product.catalog_version
    proposed = change_impact.propose_product(product=product, change=change)
    impact = change_impact.measure_impact(
        proposed=proposed, at=at, max_holders=max_holders, on_progress=on_progress
    )
    ids = (
        change_impact.find_subscriptions_to_move(product=product, move=change.move)
        if change.move
        else []
    )
    with transaction.atomic():
        rollout = Rollout.objects.for_project(product.project_id).create(
            product=product,
            catalog_version=version,
            status=RunStatus.PLANNED,
            is_plan=True,
            terms=change.as_json(),
            figures=impact.as_json(),
            started_by=actor,
            reason=reason,
        )
        RolloutMove.objects.for_project(product.project_id).bulk_create(
            RolloutMove(project_id=product.project_id, rollout=rollout, subscription_id=key)
            for key in ids
        )
    return rollout


def apply(*, rollout: Rollout, actor: str, reason: str, at: datetime) -> Rollout:
    """Change the product and start to apply the change to its holders.

    Raises RolloutNotPlanned, RolloutOutOfDate, and Invalid for a feature that no longer exists.
    """
    with transaction.atomic():
        rollout = _lock_planned(rollout)
        plan = rollout_events.find_state(rollout)
        product = catalog.lock_product(project_id=rollout.project_id, product_id=rollout.product_id)
        if product.catalog_version != rollout.catalog_version:
            raise RolloutOutOfDate("The product has changed. Plan the change again.")
        _audit(rollout, "rollout.apply", actor, reason, at)
        rollout.product, rollout.started_by, rollout.reason, rollout.applied_at = (
            product,
            actor,
            reason,
            at,
        )
        with catalog_events.recorded(product, at=at):
            is_changed = _write_change(
                product,
                PlannedProductChange.from_json(rollout.terms),
                actor=actor,
                reason=reason,
                at=at,
            )
        if is_changed:
            rollouts.begin(rollout=rollout, at=at)
        else:
            rollouts.finish_or_move(rollout, at)
        rollout.save()
        if rollout.is_under_way:
            rollout_events.record_start(rollout, before=plan, at=at)
        enqueue(rollouts.TASK)
    return rollout


def discard(*, rollout: Rollout, actor: str, reason: str, at: datetime) -> Rollout:
    """Mark a planned change as discarded. Raises RolloutNotPlanned."""
    with transaction.atomic():
        rollout = _lock_planned(rollout)
        _audit(rollout, "rollout.discard", actor, reason, at)
        batch_runs.end(rollout, at=at, status=RunStatus.DISCARDED)
        rollout.save()
    return rollout


def _lock_planned(rollout: Rollout) -> Rollout:
    rollout = rollout_selectors.lock(project_id=rollout.project_id, rollout_id=rollout.pk)
    if rollout.status != RunStatus.PLANNED:
        raise RolloutNotPlanned(f"It is {rollout.status}.")
    return rollout


def _write_change(
    product: Product, change: PlannedProductChange, *, actor: str, reason: str, at: datetime
) -> bool:
    """Write features and policies; returns whether one of them changed."""
    changed = False
    if change.features is not None:
        changed = product_features.write(
            product=product,
            features=product_features.resolve_for(product=product, features=change.features),
            actor=actor,
            reason=reason,
            at=at,
        )
    policies = product_policies.write(
        product=product,
        refund_policy=change.refund_policy,
        dispute_policy=change.dispute_policy,
        actor=actor,
        reason=reason,
        at=at,
    )
    return changed or policies


def _audit(rollout: Rollout, action: str, actor: str, reason: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=rollout.pk,
        project_id=rollout.project_id,
        reason=reason,
        after=rollout.terms,
        at=at,
    )


def recompute_holders(*, product: Product, actor: str, reason: str, at: datetime) -> Rollout | None:
    """Start a rollout that recomputes all holders although the product has not changed."""
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        audit.record(
            actor=actor,
            action="product.recompute",
            subject=product.pk,
            project_id=product.project_id,
            reason=reason,
            at=at,
        )
        return rollouts.start(product=product, actor=actor, reason=reason, at=at)
