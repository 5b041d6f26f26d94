"""Give or take by hand what a product entitles to, or single features, for any user."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.catalog.selectors import catalog
from entitlements.features.selectors import features
from entitlements.grants import service as grants
from entitlements.models import Feature, Grant
from entitlements.models.fact import Effect
from projects.customers import service as customers
from projects.models import Project


@dataclass(frozen=True, slots=True)
class Subject:
    """What is given or taken: one feature by its code, with a value, or a whole product."""

    feature: str = ""
    value: Any = None
    product_id: str = ""


def decide(
    *,
    project: Project,
    user_id: str,
    subject: Subject,
    effect: Effect,
    reason: str,
    actor: str,
    at: datetime,
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> Grant:
    """Allow or deny the subject; the customer is made if this is the first thing about the user.

    What a product entitles to is taken as it is now: a later change of the product does not
    change this grant. Raises NotFound for an unknown feature or product, and what
    :func:`entitlements.grants.service.grant` raises; then nothing has changed.
    """
    with transaction.atomic():
        return grants.grant(
            customer=customers.ensure(project=project, user_id=user_id, at=at),
            features=_features(project, subject),
            reason=reason,
            actor=actor,
            at=at,
            starts_at=starts_at,
            expires_at=expires_at,
            product_id=subject.product_id,
            effect=effect,
        )


def _features(project: Project, subject: Subject) -> Sequence[tuple[Feature, Any]]:
    if not subject.product_id:
        return [(features.get(project=project, code=subject.feature), subject.value)]
    product = catalog.product(project=project, product_id=subject.product_id)
    return [(each.feature, each.value) for each in product.features.all()]
