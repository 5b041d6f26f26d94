"""Values of a planned change of a product: stored as JSON with the rollout and read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.catalog.product_features import ProductEntitlement
from billing.subscriptions.change_plans import Change, ChangeTime, Proration


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMove:
    """Move all subscriptions of one price of the product to another price, of any product."""

    from_price: str
    to_price: str
    when: ChangeTime = ChangeTime.RENEWAL
    proration: Proration | None = None

    @property
    def change(self) -> Change:
        """The change that each of the subscriptions gets."""
        return Change(price=self.to_price, when=self.when, proration=self.proration)

    def as_json(self) -> dict[str, Any]:
        return {
            "from_price": self.from_price,
            "to_price": self.to_price,
            "when": self.when.value,
            "proration": self.proration.value if self.proration else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PriceMove":
        proration = data["proration"]
        return cls(
            from_price=data["from_price"],
            to_price=data["to_price"],
            when=ChangeTime(data["when"]),
            proration=Proration(proration) if proration else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProductChange:
    """New features and policies of a product, and a move of its subscriptions to another price.
    None leaves a value as it is."""

    features: tuple[ProductEntitlement, ...] | None = None
    refund_policy: str | None = None
    dispute_policy: str | None = None
    move: PriceMove | None = None

    @property
    def is_empty(self) -> bool:
        return self == PlannedProductChange()

    def as_json(self) -> dict[str, Any]:
        """JSON of the values that change."""
        data: dict[str, Any] = {}
        if self.features is not None:
            data["features"] = [
                {"feature": entitlement.feature, "value": entitlement.value}
                for entitlement in self.features
            ]
        if self.refund_policy is not None:
            data["refund_policy"] = self.refund_policy
        if self.dispute_policy is not None:
            data["dispute_policy"] = self.dispute_policy
        if self.move is not None:
            data["move"] = self.move.as_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PlannedProductChange":
        features = data.get("features")
        return cls(
            features=None
            if features is None
            else tuple(
                ProductEntitlement(feature=item["feature"], value=item["value"])
                for item in features
            ),
            refund_policy=data.get("refund_policy"),
            dispute_policy=data.get("dispute_policy"),
            move=PriceMove.from_json(data["move"]) if data.get("move") else None,
        )
