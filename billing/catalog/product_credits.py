"""The credits of a product: amount, order of spending, lifetime."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.access import rollouts
from billing.catalog import catalog_events
from billing.catalog.selectors import catalog
from billing.models import Product
from events.audit import audit_trail as audit

USUAL_PRIORITY = 50
MAX_AMOUNT = 10**9
MAX_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductCredits:
    """``amount`` credits for each unit of a period or of a purchase; 0 for none. Without
    ``expires_after_days`` credits of a period end with it and purchased credits never expire."""

    amount: int
    priority: int = USUAL_PRIORITY
    expires_after_days: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "credits_amount": self.amount,
            "credits_priority": self.priority,
            "credits_expire_after_days": self.expires_after_days,
        }


NO_CREDITS = ProductCredits(amount=0)


def of(product: Product) -> ProductCredits:
    return ProductCredits(
        amount=product.credits_amount,
        priority=product.credits_priority,
        expires_after_days=product.credits_expire_after_days,
    )


def replace(
    *, product: Product, credits: ProductCredits, actor: str, at: datetime, reason: str = ""
) -> bool:
    """Set the credits of the product; returns whether they changed.

    They apply to purchases from now on and to periods without credits of this product, running
    ones included. Credits that were granted before stay as they are.
    """
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        current = of(product)
        if credits == current:
            return False
        audit.record(
            actor=actor,
            action="product.set_credits",
            subject=product.pk,
            project_id=product.project_id,
            at=at,
            reason=reason,
            before=current.fields,
            after=credits.fields,
        )
        with catalog_events.recorded(product, at=at):
            for column, value in credits.fields.items():
                setattr(product, column, value)
            product.save(update_fields=[*credits.fields, "updated_at"])
        rollouts.start(product=product, actor=actor, reason=reason, at=at)
    return True
