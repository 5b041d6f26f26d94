"""The refund, dispute and renewal policies of a product: access after money went back, while a
dispute is open, and before a renewal is paid."""

from datetime import datetime

from django.db import transaction

from billing.access import rollouts
from billing.catalog import catalog_events
from billing.catalog.selectors import catalog
from billing.models import Product
from events.audit import audit_trail as audit


def replace(
    *,
    product: Product,
    actor: str,
    at: datetime,
    refund_policy: str | None = None,
    dispute_policy: str | None = None,
    renewal_policy: str | None = None,
    reason: str = "",
) -> bool:
    """Set policies of the product, None leaves one; returns whether one changed.

    A rollout applies the change to all holders, also for money that went back before.
    """
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        with catalog_events.recorded(product, at=at):
            changed = write(
                product=product,
                refund_policy=refund_policy,
                dispute_policy=dispute_policy,
                renewal_policy=renewal_policy,
                actor=actor,
                reason=reason,
                at=at,
            )
        if changed:
            rollouts.start(product=product, actor=actor, reason=reason, at=at)
    return changed


def write(
    *,
    product: Product,
    actor: str,
    at: datetime,
    refund_policy: str | None,
    dispute_policy: str | None,
    renewal_policy: str | None = None,
    reason: str = "",
) -> bool:
    """:func:`replace` for a locked product; the caller starts the rollout."""
    policies = {
        "refund_policy": refund_policy,
        "dispute_policy": dispute_policy,
        "renewal_policy": renewal_policy,
    }
    changes = {
        name: policy
        for name, policy in policies.items()
        if policy is not None and policy != getattr(product, name)
    }
    if not changes:
        return False
    audit.record(
        actor=actor,
        action="product.set_policies",
        subject=product.pk,
        project_id=product.project_id,
        at=at,
        reason=reason,
        before={name: getattr(product, name) for name in changes},
        after=changes,
    )
    for name, policy in changes.items():
        setattr(product, name, policy)
    product.save(update_fields=[*changes, "updated_at"])
    return True
