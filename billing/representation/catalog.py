"""Products, prices and plans."""

from typing import Annotated, TypedDict

from billing.models import Price, Product
from billing.models.price import Interval, PriceType
from billing.models.product import DisputePolicy, RefundPolicy, RenewalPolicy
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339
from entitlements.models.feature import FeatureKind
from entitlements.resolution.kinds import FeatureValue

REFUNDS = "What happens to access when its payment is refunded."
DISPUTES = "What happens to access while the bank decides about a disputed payment."
RENEWALS = (
    "Whether the credits and quotas of a new period begin when it is paid or when it is invoiced."
)


class ProductFeatureBody(TypedDict):
    feature: str
    kind: Annotated[str, FeatureKind]
    value: FeatureValue


class ProductCreditsBody(TypedDict):
    amount: int
    priority: int
    expires_after_days: int | None


class ProductBody(TypedDict):
    """A product that the project sells."""

    id: str
    name: str
    description: str
    active: Annotated[bool, "Whether it is on sale."]
    custom_price: Annotated[
        bool, "Whether its price is agreed with each customer; plans then list no prices."
    ]
    features: list[ProductFeatureBody]
    credits: ProductCreditsBody | None
    refund_policy: Annotated[str, RefundPolicy, REFUNDS]
    dispute_policy: Annotated[str, DisputePolicy, DISPUTES]
    renewal_policy: Annotated[str, RenewalPolicy, RENEWALS]
    metadata: dict[str, str]
    stripe_id: str | None
    created_at: Time


class PriceBody(TypedDict):
    """A price of a product: one-time, or recurring per interval."""

    id: str
    product: str
    nickname: str
    type: Annotated[str, PriceType]
    unit_amount: MoneyBody
    interval: Annotated[str, Interval] | None
    interval_count: int | None
    meter: Annotated[str | None, "Code of the meter whose usage is billed after each period."]
    active: Annotated[bool, "Whether it is on sale."]
    metadata: dict[str, str]
    stripe_id: str | None
    created_at: Time


class PlanBody(ProductBody):
    """A product on sale with its recurring prices, cheapest first within a currency. Without prices
    if ``custom_price`` is true."""

    prices: list[PriceBody]


class PublicPriceBody(TypedDict):
    """A price of a plan, as buyers see it."""

    id: str
    unit_amount: MoneyBody
    interval: Annotated[str, Interval]
    interval_count: int
    meter: Annotated[str | None, "Code of the meter whose usage is billed after each period."]


class PublicPlanBody(TypedDict):
    """A product on sale by subscription, as buyers see it: prices cheapest first within a currency.
    Without prices if ``custom_price`` is true."""

    id: str
    name: str
    description: str
    custom_price: Annotated[bool, "Whether its price is agreed with each customer."]
    features: list[ProductFeatureBody]
    credits: ProductCreditsBody | None
    prices: list[PublicPriceBody]


def product(row: Product) -> ProductBody:
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "active": row.active,
        "custom_price": row.custom_price,
        "features": _features(row),
        "credits": _credits(row),
        "refund_policy": row.refund_policy,
        "dispute_policy": row.dispute_policy,
        "renewal_policy": row.renewal_policy,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": rfc3339(row.created_at),
    }


def _features(row: Product) -> list[ProductFeatureBody]:
    return [
        {"feature": each.feature.code, "kind": each.feature.kind, "value": each.value}
        for each in sorted(row.features.all(), key=lambda each: each.feature.code)
    ]


def _credits(row: Product) -> ProductCreditsBody | None:
    if not row.credits_amount:
        return None
    return {
        "amount": row.credits_amount,
        "priority": row.credits_priority,
        "expires_after_days": row.credits_expire_after_days,
    }


def price(row: Price) -> PriceBody:
    return {
        "id": row.pk,
        "product": row.product_id,
        "nickname": row.nickname,
        "type": row.type,
        "unit_amount": money(row.unit_amount, row.currency),
        "interval": row.interval or None,
        "interval_count": row.interval_count if row.is_recurring else None,
        "meter": row.meter.code if row.meter else None,
        "active": row.active,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": rfc3339(row.created_at),
    }


def plan(row: Product) -> PlanBody:
    """A product with the prices for new subscriptions (``row.plan_prices``).

    A price that is agreed with one customer is never shown.
    """
    prices: list[Price] = row.plan_prices  # type: ignore[attr-defined]  # selectors.catalog.plans
    return {**product(row), "prices": [price(each) for each in prices]}


def public_plan(row: Product) -> PublicPlanBody:
    """What everybody may know of a plan (``row.plan_prices``): nothing that only the project's
    own people need."""
    prices: list[Price] = row.plan_prices  # type: ignore[attr-defined]  # selectors.catalog.plans
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "custom_price": row.custom_price,
        "features": _features(row),
        "credits": _credits(row),
        "prices": [_public_price(each) for each in prices],
    }


def _public_price(row: Price) -> PublicPriceBody:
    return {
        "id": row.pk,
        "unit_amount": money(row.unit_amount, row.currency),
        "interval": row.interval,
        "interval_count": row.interval_count,
        "meter": row.meter.code if row.meter else None,
    }
