"""The credits that come with a product: how many, in which order they are spent, until when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.access import rollouts
from billing.catalog.selectors import catalog
from billing.models import Product
from events.services import audit

USUAL_PRIORITY = 50
MAX_AMOUNT = 10**9
MAX_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    """So many for each unit of each period, or each purchase; 0 for none. Without a number of
    days those of a period end with it, and bought ones never."""

    amount: int
    priority: int = USUAL_PRIORITY
    expires_after_days: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        return {
            "credits_amount": self.amount,
            "credits_priority": self.priority,
            "credits_expire_after_days": self.expires_after_days,
        }


NO_CREDITS = Credits(amount=0)


def of(product: Product) -> Credits:
    return Credits(
        amount=product.credits_amount,
        priority=product.credits_priority,
        expires_after_days=product.credits_expire_after_days,
    )


def replace(
    *, product: Product, wanted: Credits, actor: str, at: datetime, reason: str = ""
) -> bool:
    """Make this what comes with the product; whether that changed anything.

    It counts for purchases from now on, and for periods that have no credits of the product yet,
    the running ones among them: what was given stays as it was.
    """
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        before = of(product)
        if wanted == before:
            return False
        audit.record(
            actor=actor,
            action="product.set_credits",
            subject=product.pk,
            project_id=product.project_id,
            at=at,
            reason=reason,
            before=before.columns,
            after=wanted.columns,
        )
        for column, value in wanted.columns.items():
            setattr(product, column, value)
        product.save(update_fields=[*wanted.columns, "updated_at"])
        rollouts.start(product=product, actor=actor, reason=reason, at=at)
    return True
