"""A change of a product for everybody who holds it: looked at, kept, then carried out.

What is applied is what was kept: the terms, and the subscriptions that are named. What was planned
for another version of the product is refused; so is applying it twice.
"""

from datetime import datetime

from django.db import transaction

from billing.access import rollouts
from billing.catalog import product_features, product_policies
from billing.catalog.selectors import catalog
from billing.errors import RolloutNotPlanned, RolloutOutOfDate
from billing.models import Product, Rollout, RolloutMove
from billing.rollouts import change_impact
from billing.rollouts import selectors as rollout_selectors
from billing.rollouts.change_impact import Tick
from billing.rollouts.planned_change import Terms
from common import batch_runs
from common.models import RunStatus
from common.queue import enqueue
from events.services import audit


def save(
    *,
    product: Product,
    terms: Terms,
    actor: str,
    at: datetime,
    reason: str = "",
    most: int | None = None,
    tick: Tick = lambda number: None,
) -> Rollout:
    """Keep the terms, what they come to now, and which subscriptions they move. Nothing else is
    changed. Raises Invalid."""
    version = product.catalog_version
    prospect = change_impact.prospect(product=product, terms=terms)
    figures = change_impact.look(prospect=prospect, at=at, most=most, tick=tick)
    ids = change_impact.to_move(product=product, move=terms.move) if terms.move else []
    with transaction.atomic():
        rollout = Rollout.objects.for_project(product.project_id).create(
            product=product,
            catalog_version=version,
            status=RunStatus.PLANNED,
            is_plan=True,
            terms=terms.as_json(),
            figures=figures.as_json(),
            started_by=actor,
            reason=reason,
        )
        RolloutMove.objects.for_project(product.project_id).bulk_create(
            RolloutMove(project_id=product.project_id, rollout=rollout, subscription_id=key)
            for key in ids
        )
    return rollout


def apply(*, rollout: Rollout, actor: str, reason: str, at: datetime) -> Rollout:
    """Make the product what the terms say and begin to bring that to its holders.

    Raises RolloutNotPlanned, RolloutOutOfDate, and Invalid for a feature that is gone meanwhile.
    """
    with transaction.atomic():
        rollout = _open(rollout)
        product = catalog.lock_product(project_id=rollout.project_id, product_id=rollout.product_id)
        if product.catalog_version != rollout.catalog_version:
            raise RolloutOutOfDate("Plan it again: the product has changed since.")
        _audit(rollout, "rollout.apply", actor, reason, at)
        rollout.product, rollout.started_by, rollout.reason, rollout.applied_at = (
            product,
            actor,
            reason,
            at,
        )
        if _write(product, Terms.from_json(rollout.terms), actor=actor, reason=reason, at=at):
            rollouts.begin(rollout=rollout, at=at)
        else:
            rollouts.finish_or_move(rollout, at)
        rollout.save()
        enqueue(rollouts.TASK)
    return rollout


def discard(*, rollout: Rollout, actor: str, reason: str, at: datetime) -> Rollout:
    """Keep it as one that nobody carries out. Raises RolloutNotPlanned."""
    with transaction.atomic():
        rollout = _open(rollout)
        _audit(rollout, "rollout.discard", actor, reason, at)
        batch_runs.end(rollout, at=at, status=RunStatus.DISCARDED)
        rollout.save()
    return rollout


def _open(rollout: Rollout) -> Rollout:
    rollout = rollout_selectors.lock(project_id=rollout.project_id, rollout_id=rollout.pk)
    if rollout.status != RunStatus.PLANNED:
        raise RolloutNotPlanned(f"It is {rollout.status}.")
    return rollout


def _write(product: Product, terms: Terms, *, actor: str, reason: str, at: datetime) -> bool:
    """Whether holders have anything to follow."""
    changed = False
    if terms.features is not None:
        changed = product_features.write(
            product=product,
            features=product_features.resolve_for(product=product, features=terms.features),
            actor=actor,
            reason=reason,
            at=at,
        )
    policies = product_policies.write(
        product=product,
        refund_policy=terms.refund_policy,
        dispute_policy=terms.dispute_policy,
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


def repeat(*, product: Product, actor: str, reason: str, at: datetime) -> Rollout | None:
    """Recompute everybody who holds the product, although nothing has changed."""
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
