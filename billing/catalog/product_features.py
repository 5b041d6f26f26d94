"""What a product entitles to: a set of features, each with a value of its kind."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.access import rollouts
from billing.catalog.selectors import catalog
from billing.errors import ValueDoesNotFit
from billing.models import Product, ProductFeature
from common.errors import Invalid
from entitlements.features.selectors import features as feature_selectors
from entitlements.models import Feature
from entitlements.resolution.kinds import KINDS
from events.services import audit
from projects.models import Project


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A feature by its code, and what a holder gets: true, a number, or None for no limit."""

    feature: str
    value: Any


def resolve(
    *, project: Project, features: Sequence[Entitlement], kept: Collection[str] = ()
) -> list[tuple[Feature, Any]]:
    """The features behind these codes. Raises Invalid for one that is unknown, named twice, or
    archived and not one of ``kept``; and ValueDoesNotFit for a value that is not of its kind."""
    known = feature_selectors.find_many(project=project, codes=[each.feature for each in features])
    if len({each.feature for each in features}) != len(features):
        raise Invalid("A feature may be named once.", field="features")
    for index, each in enumerate(features):
        feature = known.get(each.feature)
        if feature is None or (feature.archived_at is not None and each.feature not in kept):
            raise Invalid(
                "No such feature. Define it with POST /features first.",
                field=f"features/{index}/feature",
            )
        kind = KINDS[feature.kind]
        if not kind.accepts(each.value):
            raise ValueDoesNotFit(f"{feature.code}: {kind.rule}", field=f"features/{index}/value")
    return [(known[each.feature], each.value) for each in features]


def replace(
    *,
    product: Product,
    wanted: Sequence[tuple[Feature, Any]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """Make exactly this what the product entitles to; whether that changed anything.

    Whoever holds the product follows.
    """
    with transaction.atomic():
        product = catalog.lock_product(project_id=product.project_id, product_id=product.pk)
        changed = write(product=product, wanted=wanted, actor=actor, at=at, reason=reason)
        if changed:
            rollouts.start(product=product, actor=actor, reason=reason, at=at)
    return changed


def write(
    *,
    product: Product,
    wanted: Sequence[tuple[Feature, Any]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """As :func:`replace` for a locked product, whose holders the caller sees to."""
    before = _said(product)
    after = {feature.code: value for feature, value in wanted}
    if _identity(before) == _identity(after):
        return False
    rows = ProductFeature.objects.for_project(product.project_id)
    rows.filter(product=product).delete()
    rows.bulk_create(
        ProductFeature(project_id=product.project_id, product=product, feature=feature, value=value)
        for feature, value in wanted
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


def resolve_for(*, product: Product, features: Sequence[Entitlement]) -> list[tuple[Feature, Any]]:
    """As :func:`resolve`; an archived feature that the product gives already may stay."""
    return resolve(project=product.project, features=features, kept=_said(product).keys())


def _said(product: Product) -> dict[str, Any]:
    rows = product.features.select_related("feature")
    return {row.feature.code: row.value for row in rows}


def _identity(features: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    """True is not 1 here."""
    return {code: (type(value), value) for code, value in features.items()}
