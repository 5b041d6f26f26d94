"""Values of requests to create or change a product or a price."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.catalog.product_credits import NO_CREDITS, ProductCredits
from billing.catalog.product_features import ProductEntitlement
from billing.models.product import DisputePolicy, RefundPolicy, RenewalPolicy
from common.money import Money
from usage.models import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRequest:
    """A product to create, with the features and credits that it gives."""

    name: str
    description: str = ""
    features: Sequence[ProductEntitlement] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    refund_policy: str = RefundPolicy.REVOKE
    dispute_policy: str = DisputePolicy.HOLD
    renewal_policy: str = RenewalPolicy.PAID
    custom_price: bool = False
    credits: ProductCredits = NO_CREDITS

    @property
    def own_values(self) -> dict[str, Any]:
        """Fields of the product that Stripe does not have."""
        return {
            "refund_policy": self.refund_policy,
            "dispute_policy": self.dispute_policy,
            "renewal_policy": self.renewal_policy,
            "custom_price": self.custom_price,
            **self.credits.fields,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChangeRequest:
    """New values of a product; None leaves a value as it is."""

    name: str | None = None
    description: str | None = None
    active: bool | None = None
    metadata: dict[str, str] | None = None
    features: Sequence[ProductEntitlement] | None = None
    refund_policy: str | None = None
    dispute_policy: str | None = None
    renewal_policy: str | None = None
    custom_price: bool | None = None
    credits: ProductCredits | None = None

    @property
    def stripe_values(self) -> dict[str, Any]:
        """The new values that Stripe stores."""
        values = {
            "name": self.name,
            "description": self.description,
            "active": self.active,
            "metadata": self.metadata,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRequest:
    """A price to create: one-time without an ``interval``, metered with a ``meter``."""

    money: Money
    interval: str = ""
    interval_count: int = 1
    nickname: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    meter: Meter | None = None
