"""A change of a product for everybody who holds it: looked at, kept as a plan, then carried out.

What is applied is the plan as it was kept: its terms, and the subscriptions that it names. One
that was made for another version of the product is refused; so is applying a plan twice.
"""

from datetime import datetime

from django.db import transaction

from billing.errors import PlanClosed, PlanOutOfDate
from billing.models import Product, Rollout, RolloutMove
from billing.selectors import catalog
from billing.selectors import rollouts as stored
from billing.services import fleet, product_features, product_policies, rollouts
from billing.services.catalog_terms import Terms
from billing.services.fleet import Tick
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
    most: int | None = None,
    tick: Tick = lambda number: None,
) -> Rollout:
    """Keep the terms, what they come to now, and which subscriptions they move. Nothing else is
    changed. Raises Invalid."""
    version = product.catalog_version
    prospect = fleet.prospect(product=product, terms=terms)
    figures = fleet.look(prospect=prospect, at=at, most=most, tick=tick)
    ids = fleet.to_move(product=product, move=terms.move) if terms.move else []
    with transaction.atomic():
        plan = Rollout.objects.for_project(product.project_id).create(
            product=product,
            catalog_version=version,
            status=RunStatus.PLANNED,
            is_plan=True,
            terms=terms.as_json(),
            figures=figures.as_json(),
            started_by=actor,
        )
        RolloutMove.objects.for_project(product.project_id).bulk_create(
            RolloutMove(project_id=product.project_id, rollout=plan, subscription_id=key)
            for key in ids
        )
    return plan


def apply(*, plan: Rollout, actor: str, reason: str, at: datetime) -> Rollout:
    """Make the product what the plan says and begin to bring that to its holders.

    Raises PlanClosed, PlanOutOfDate, and Invalid for a feature that is gone meanwhile.
    """
    with transaction.atomic():
        plan = _open(plan)
        product = catalog.lock_product(project_id=plan.project_id, product_id=plan.product_id)
        if product.catalog_version != plan.catalog_version:
            raise PlanOutOfDate("Plan it again: the product has changed since.")
        _audit(plan, "plan.apply", actor, reason, at)
        plan.product, plan.started_by, plan.reason, plan.applied_at = product, actor, reason, at
        if _write(product, Terms.from_json(plan.terms), actor=actor, reason=reason, at=at):
            rollouts.begin(rollout=plan, at=at)
        else:
            rollouts.leave(plan, at)
        plan.save()
        enqueue(rollouts.TASK)
    return plan


def discard(*, plan: Rollout, actor: str, reason: str, at: datetime) -> Rollout:
    """Keep the plan as one that nobody carries out. Raises PlanClosed."""
    with transaction.atomic():
        plan = _open(plan)
        _audit(plan, "plan.discard", actor, reason, at)
        batch_runs.end(plan, at=at, status=RunStatus.DISCARDED)
        plan.save()
    return plan


def _open(plan: Rollout) -> Rollout:
    plan = stored.lock(project_id=plan.project_id, rollout_id=plan.pk)
    if plan.status != RunStatus.PLANNED:
        raise PlanClosed(f"It is {plan.status}.")
    return plan


def _write(product: Product, terms: Terms, *, actor: str, reason: str, at: datetime) -> bool:
    """Whether holders have anything to follow."""
    changed = False
    if terms.features is not None:
        changed = product_features.write(
            product=product,
            wanted=product_features.resolve(project=product.project, features=terms.features),
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


def _audit(plan: Rollout, action: str, actor: str, reason: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=plan.pk,
        project_id=plan.project_id,
        reason=reason,
        after=plan.terms,
        at=at,
    )
