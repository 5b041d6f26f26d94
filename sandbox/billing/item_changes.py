"""The ``items`` parameter of a subscription update: added, changed and removed items."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.billing import pricing, subscription_items
from sandbox.errors import invalid, no_such
from sandbox.objects import Object, Params, copy, merge_metadata
from sandbox.transaction import Transaction


@dataclass(frozen=True)
class ItemChange:
    """A change of one item. ``old`` is None for an added item, ``new`` for a removed one."""

    old: Object | None
    new: Object | None

    @property
    def costs(self) -> bool:
        """Whether price or quantity differ."""
        return self._billed(self.old) != self._billed(self.new)

    @property
    def moves_period(self) -> bool:
        """Whether the interval changes, which starts a new period."""
        if not self.old or not self.new:
            return False
        return any(
            self.old["price"]["recurring"][name] != self.new["price"]["recurring"][name]
            for name in ("interval", "interval_count")
        )

    @staticmethod
    def _billed(item: Object | None) -> tuple[str, int | None] | None:
        return (item["price"]["id"], item.get("quantity")) if item else None


def read_changes(
    tx: Transaction, subscription: Object, item_params: list[Params]
) -> list[ItemChange]:
    """Read the ``items`` parameter. Raises 400 for invalid changes."""
    return [
        _read_change(tx, subscription, params, f"items[{index}]")
        for index, params in enumerate(item_params)
    ]


def apply_changes(subscription: Object, changes: list[ItemChange]) -> None:
    """Replace, add and remove the items. Raises 400 if none is left."""
    new_items = subscription_items.list_items(subscription)
    for change in changes:
        if change.old is None and change.new is not None:
            change.new["subscription"] = subscription["id"]
            new_items.append(change.new)
        elif change.old is not None:
            index = next(n for n, item in enumerate(new_items) if item["id"] == change.old["id"])
            new_items[index : index + 1] = [change.new] if change.new else []
    if not new_items:
        raise invalid(
            "A subscription must have at least one active plan. To cancel it, delete the "
            "subscription.",
            param="items",
        )
    subscription_items.check_together(new_items)


def _read_change(tx: Transaction, subscription: Object, params: Params, param: str) -> ItemChange:
    if "id" not in params:
        return ItemChange(
            None, subscription_items.read_item(tx, params, param, customer=subscription["customer"])
        )
    old = next(
        (
            item
            for item in subscription_items.list_items(subscription)
            if item["id"] == params["id"]
        ),
        None,
    )
    if old is None:
        raise no_such("subscription item", params["id"], param=f"{param}[id]")
    if params.get("deleted"):
        return ItemChange(copy(old), None)
    new = _change_item(tx, old, params, param)
    subscription_items.set_discounts_and_taxes(
        tx, new, params, param, customer=subscription["customer"]
    )
    return ItemChange(copy(old), new)


def _change_item(tx: Transaction, old: Object, params: Params, param: str) -> Object:
    """A copy of the item with the sent price, quantity and metadata."""
    new: Object = copy(old)
    if any(name in params for name in ("price", "price_data", "plan")):
        subscription_items.set_price(
            new, subscription_items.read_recurring_price(tx, params, param)
        )
    if "quantity" in params or pricing.is_metered(new["price"]):
        new.pop("quantity", None)
        quantity = subscription_items.read_quantity(new["price"], params, param)
        new |= {} if quantity is None else {"quantity": quantity}
    merge_metadata(new, params.get("metadata"))
    return new
