"""What shall change about a product, as values: kept with a rollout, and read back as they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.catalog.product_features import ProductEntitlement
from billing.subscriptions.change_plans import Change, Proration, When


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Whoever pays one price of the product pays another one, of it or of another product."""

    from_price: str
    to_price: str
    when: When = When.RENEWAL
    proration: Proration | None = None

    @property
    def change(self) -> Change:
        """What each of the subscriptions is asked for."""
        return Change(price=self.to_price, when=self.when, proration=self.proration)

    def as_json(self) -> dict[str, Any]:
        return {
            "from_price": self.from_price,
            "to_price": self.to_price,
            "when": self.when.value,
            "proration": self.proration.value if self.proration else None,
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Move":
        proration = said["proration"]
        return cls(
            from_price=said["from_price"],
            to_price=said["to_price"],
            when=When(said["when"]),
            proration=Proration(proration) if proration else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the product shall entitle to, its policies, and who shall pay another price; what is
    None stays as it is."""

    features: tuple[ProductEntitlement, ...] | None = None
    refund_policy: str | None = None
    dispute_policy: str | None = None
    move: Move | None = None

    @property
    def is_empty(self) -> bool:
        return self == Terms()

    def as_json(self) -> dict[str, Any]:
        """What is said; what stays as it is is left out."""
        said: dict[str, Any] = {}
        if self.features is not None:
            said["features"] = [
                {"feature": each.feature, "value": each.value} for each in self.features
            ]
        if self.refund_policy is not None:
            said["refund_policy"] = self.refund_policy
        if self.dispute_policy is not None:
            said["dispute_policy"] = self.dispute_policy
        if self.move is not None:
            said["move"] = self.move.as_json()
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Terms":
        features = said.get("features")
        return cls(
            features=None
            if features is None
            else tuple(
                ProductEntitlement(feature=each["feature"], value=each["value"])
                for each in features
            ),
            refund_policy=said.get("refund_policy"),
            dispute_policy=said.get("dispute_policy"),
            move=Move.from_json(said["move"]) if said.get("move") else None,
        )
