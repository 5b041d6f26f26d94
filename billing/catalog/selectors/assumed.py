"""What somebody would have who were given a product, or had bought a price."""

from collections.abc import Iterator
from datetime import datetime

from billing.catalog.selectors import catalog
from billing.models import Product
from common.errors import Invalid, NotFound
from entitlements.decisions import assumptions
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.facts import DecisionFact, Reason
from projects.models import Project


def product(project: Project, id: str, *, at: datetime) -> list[DecisionFact]:
    """As if a person had granted all that the product gives. Raises Invalid."""
    try:
        found = catalog.product(project=project, product_id=id)
    except NotFound as error:
        raise Invalid(f"There is no product {id}.", field="assume") from error
    return list(_facts(found, id, at, source_type=SourceType.GRANT, reason=Reason.GRANTED))


def price(project: Project, id: str, *, at: datetime) -> list[DecisionFact]:
    """As if it had been bought and paid for: a subscription to what is paid again and again, whose
    periods begin then, a purchase of what is paid once. Raises Invalid."""
    try:
        found = catalog.price(project=project, price_id=id)
    except NotFound as error:
        raise Invalid(f"There is no price {id}.", field="assume") from error
    source_type = SourceType.SUBSCRIPTION if found.is_recurring else SourceType.CHECKOUT
    return list(_facts(found.product, id, at, source_type=source_type, reason=Reason.ENTITLED))


def _facts(
    product: Product, id: str, at: datetime, *, source_type: SourceType, reason: Reason
) -> Iterator[DecisionFact]:
    for each in product.features.select_related("feature"):
        yield DecisionFact(
            source_type=source_type,
            source_id=assumptions.source_id(id),
            effect=Effect.ALLOW,
            feature=each.feature.code,
            value=each.value,
            reason=reason,
            starts_at=at,
            part="" if source_type == SourceType.GRANT else product.pk,
        )
