"""Facts that a user would have after a grant of a product or a purchase of a price."""

from collections.abc import Iterator
from datetime import datetime

from billing.catalog.selectors import catalog
from billing.models import Product
from common.errors import Invalid, NotFound
from entitlements.decisions import assumptions
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.facts import DecisionFact, Reason
from projects.models import Project


def product(project: Project, product_id: str, *, at: datetime) -> list[DecisionFact]:
    """Facts as from a grant of the product. Raises Invalid for an unknown product."""
    try:
        row = catalog.product(project=project, product_id=product_id)
    except NotFound as error:
        raise Invalid(f"There is no product {product_id}.", field="assume") from error
    return list(_facts(row, product_id, at, source_type=SourceType.GRANT, reason=Reason.GRANTED))


def price(project: Project, price_id: str, *, at: datetime) -> list[DecisionFact]:
    """Facts as from a paid purchase at ``at``: a subscription to a recurring price, a checkout of a
    one-time price. Raises Invalid for an unknown price."""
    try:
        row = catalog.price(project=project, price_id=price_id)
    except NotFound as error:
        raise Invalid(f"There is no price {price_id}.", field="assume") from error
    source_type = SourceType.SUBSCRIPTION if row.is_recurring else SourceType.CHECKOUT
    return list(_facts(row.product, price_id, at, source_type=source_type, reason=Reason.ENTITLED))


def _facts(
    product: Product, assumed_id: str, at: datetime, *, source_type: SourceType, reason: Reason
) -> Iterator[DecisionFact]:
    for row in product.features.select_related("feature"):
        yield DecisionFact(
            source_type=source_type,
            source_id=assumptions.source_id(assumed_id),
            effect=Effect.ALLOW,
            feature=row.feature.code,
            value=row.value,
            reason=reason,
            starts_at=at,
            part="" if source_type == SourceType.GRANT else product.pk,
        )
