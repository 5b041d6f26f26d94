"""Grant or deny the features of a product, or a single feature, to any user by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.catalog.selectors import catalog
from entitlements.features.selectors import features
from entitlements.grants import service as grants
from entitlements.grants.service import FeatureGrantRequest
from entitlements.models import Feature, Grant
from entitlements.models.fact import Effect
from projects.customers import service as customers
from projects.models import Project


@dataclass(frozen=True, slots=True)
class GrantSubject:
    """The object of a grant: one feature by its code, with a value, or a whole product."""

    feature: str = ""
    value: Any = None
    product_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """A grant or denial for a user, from ``starts_at`` (None: now) to ``expires_at`` (None: never).

    ``reason`` is the text for the audit trail.
    """

    user_id: str
    subject: GrantSubject
    effect: Effect
    reason: str
    starts_at: datetime | None = None
    expires_at: datetime | None = None


def decide(*, project: Project, request: GrantRequest, actor: str, at: datetime) -> Grant:
    """Grant or deny the subject; creates the customer if the user is not known yet.

    A product's features are copied now: a later change of the product does not change the grant.
    Raises NotFound for an unknown feature or product, and the errors of
    :func:`entitlements.grants.service.grant`; then nothing has changed.
    """
    with transaction.atomic():
        return grants.grant(
            customer=customers.ensure(project=project, user_id=request.user_id, at=at),
            request=FeatureGrantRequest(
                features=_features(project, request.subject),
                reason=request.reason,
                effect=request.effect,
                product_id=request.subject.product_id,
                starts_at=request.starts_at,
                expires_at=request.expires_at,
            ),
            actor=actor,
            at=at,
        )


def _features(project: Project, subject: GrantSubject) -> Sequence[tuple[Feature, Any]]:
    if not subject.product_id:
        return [(features.get(project=project, code=subject.feature), subject.value)]
    product = catalog.product(project=project, product_id=subject.product_id)
    return [(row.feature, row.value) for row in product.features.all()]
