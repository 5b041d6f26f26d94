"""What becomes of access when money for a product goes back, or may, or has not come yet: three
words per product."""

from datetime import datetime

from django.db import transaction

from billing.access import rollouts
from billing.catalog.selectors import catalog
from billing.models import Product
from events.services import audit


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
    """Make what is given the product's policies; whether that changed anything.

    Whoever holds the product follows, also for money that went back before.
    """
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
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
    """As :func:`replace` for a locked product, whose holders the caller sees to."""
    asked = {
        "refund_policy": refund_policy,
        "dispute_policy": dispute_policy,
        "renewal_policy": renewal_policy,
    }
    changes = {
        name: policy
        for name, policy in asked.items()
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
