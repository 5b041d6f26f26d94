"""The features of a product, each with a value of its kind."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.access import rollouts
from billing.access.selectors import purchased_rows
from billing.catalog import catalog_events
from billing.catalog.selectors import catalog
from billing.errors import ValueDoesNotFit
from billing.models import Product, ProductFeature
from common.errors import Invalid
from entitlements.features.selectors import features as feature_selectors
from entitlements.models import Feature
from entitlements.resolution.kinds import KINDS
from events.audit import audit_trail as audit
from projects.models import Project


@dataclass(frozen=True, slots=True)
class ProductEntitlement:
    """A feature by its code, and the value of holders: true, a number, or None for no limit."""

    feature: str
    value: Any


def resolve(
    *, project: Project, features: Sequence[ProductEntitlement], kept: Collection[str] = ()
) -> list[tuple[Feature, Any]]:
    """Features and values for these codes.

    Raises Invalid for a feature that is unknown, named twice, or archived and not in ``kept``, and
    ValueDoesNotFit for a value of another kind.
    """
    features_by_code = feature_selectors.find_many(
        project=project, codes=[item.feature for item in features]
    )
    if len({item.feature for item in features}) != len(features):
        raise Invalid("Name each feature only once.", field="features")
    for index, item in enumerate(features):
        feature = features_by_code.get(item.feature)
        if feature is None or (feature.archived_at is not None and item.feature not in kept):
            raise Invalid(
                "No such feature. Define it with POST /features first.",
                field=f"features/{index}/feature",
            )
        kind = KINDS[feature.kind]
        if not kind.accepts(item.value):
            raise ValueDoesNotFit(f"{feature.code}: {kind.rule}", field=f"features/{index}/value")
    return [(features_by_code[item.feature], item.value) for item in features]


def replace(
    *,
    product: Product,
    features: Sequence[tuple[Feature, Any]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """Set the features of the product; returns whether they changed. A rollout applies the change
    to all holders."""
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        with catalog_events.recorded(product, at=at):
            changed = write(product=product, features=features, actor=actor, at=at, reason=reason)
        if changed:
            rollouts.start(product=product, actor=actor, reason=reason, at=at)
    return changed


def write(
    *,
    product: Product,
    features: Sequence[tuple[Feature, Any]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """:func:`replace` for a locked product; the caller starts the rollout."""
    before = _current_values(product)
    after = {feature.code: value for feature, value in features}
    if _typed(before) == _typed(after):
        return False
    rows = ProductFeature.objects.for_project(product.project_id)
    rows.filter(product=product).delete()
    rows.bulk_create(
        ProductFeature(project_id=product.project_id, product=product, feature=feature, value=value)
        for feature, value in features
    )
    audit.record(
        actor=actor,
        action="product.set_features",
        subject=product.pk,
        project_id=product.project_id,
        at=at,
        reason=reason,
        before=before,
        after=after,
    )
    return True


def resolve_for(
    *, product: Product, features: Sequence[ProductEntitlement]
) -> list[tuple[Feature, Any]]:
    """:func:`resolve` for a product, which may keep archived features that it already has."""
    return resolve(project=product.project, features=features, kept=_current_values(product).keys())


def _current_values(product: Product) -> dict[str, Any]:
    rows = purchased_rows.find_features(product.project_id, [product.pk])
    return {row.feature.code: row.value for row in rows}


def _typed(features: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    """Values with their types, because ``True == 1`` in Python."""
    return {code: (type(value), value) for code, value in features.items()}
