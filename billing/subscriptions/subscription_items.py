"""Items of a subscription as values: compare and check them, build Stripe's parameters.

Pure functions, except :func:`read_items`. Prices must be loaded with their products.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from billing.charge_limits import check_total
from billing.checkout.orders import MAX_LINES, NO_METERED_QUANTITY
from billing.errors import (
    AlreadySubscribed,
    NotOnSale,
    OtherCurrency,
    WrongPriceType,
)
from billing.models import Price, Subscription
from billing.models.price import Interval
from billing.stripe.fields import Fields
from common.errors import Invalid, NotFound

DAYS = {
    Interval.DAY: Fraction(1),
    Interval.WEEK: Fraction(7),
    Interval.MONTH: Fraction(365, 12),
    Interval.YEAR: Fraction(365),
}
"""Days of an interval, used to compare amounts of different intervals."""


@dataclass(frozen=True, slots=True)
class BilledItem:
    """A price of a subscription and its quantity.

    ``stripe_id`` is that of the subscription item, empty for an item to be added. ``price`` is
    None for a price that is not in our catalog; such an item never changes.
    """

    price: Price | None
    price_stripe_id: str
    quantity: int
    stripe_id: str = ""

    @property
    def product_id(self) -> str:
        return self.price.product_id if self.price else ""

    @property
    def amount(self) -> int:
        """Minor units per interval, without metered use."""
        return self.price.amount_of(self.quantity) if self.price else 0

    def to_params(self) -> Fields:
        """Return Stripe's parameters of the item. A metered price has no quantity."""
        if self.price is not None and self.price.is_metered:
            return {"price": self.price_stripe_id}
        return {"price": self.price_stripe_id, "quantity": self.quantity}


BilledItems = tuple[BilledItem, ...]


@dataclass(frozen=True, slots=True)
class BilledItemChange:
    """New price and quantity of one product. None leaves a value unchanged, quantity 0 removes it.

    ``is_new`` refuses a product that the subscription already has.
    """

    product_id: str
    price: Price | None = None
    quantity: int | None = None
    is_new: bool = False


def read_items(subscription: Subscription) -> BilledItems:
    """Return the subscription's present items."""
    return tuple(
        BilledItem(item.price, item.price_stripe_id, item.quantity, item.stripe_id)
        for item in subscription.items.all()
    )


def apply_changes(before: BilledItems, item_changes: Iterable[BilledItemChange]) -> BilledItems:
    """Return the items after the changes. Raises AlreadySubscribed, NotFound, Invalid."""
    after = before
    for change in item_changes:
        after = _apply_change(after, change)
    if not after:
        raise Invalid(
            "A subscription needs at least one item. Cancel it instead.", field="quantity"
        )
    return after


def check_items(before: BilledItems, after: BilledItems, *, currency: str) -> None:
    """Check that the prices can be billed by this subscription, and together.

    Raises WrongPriceType, OtherCurrency, NotOnSale, Invalid.
    """
    catalog_items = [item for item in after if item.price is not None]
    for item in catalog_items:
        price = item.price
        assert price is not None
        if not price.is_recurring:
            raise WrongPriceType("A subscription has recurring prices only.", field="price")
        if price.is_metered and item.quantity != 1:
            raise Invalid(NO_METERED_QUANTITY, field="quantity")
        if currency and price.currency != currency:
            raise OtherCurrency(
                f"This subscription is billed in {currency}. Send a price in {currency}.",
                field="price",
            )
        is_kept = any(price == old.price for old in before)
        if not is_kept and not (price.active and price.product.active):
            raise NotOnSale(f"{price.pk} is archived. Send another price.")
    _check_together([item.price for item in catalog_items if item.price], after)


def is_upgrade(before: BilledItems, after: BilledItems) -> bool:
    """Return whether the items after cost at least as much per day as before."""
    return _daily_amount(after) >= _daily_amount(before)


def is_downgrade(before: BilledItems, after: BilledItems) -> bool:
    """Return whether a period costs less than before or is shorter.

    Stripe's customer portal schedules exactly these changes for the end of the period.
    """
    old_items = {item.stripe_id: item for item in before}
    is_shorter = any(
        _days(item.price) < _days(old_items[item.stripe_id].price)
        for item in after
        if item.stripe_id in old_items and item.price and old_items[item.stripe_id].price
    )
    return is_shorter or sum(item.amount for item in after) < sum(item.amount for item in before)


def monthly_amount(billed_items: BilledItems) -> Fraction:
    """Return the exact minor units per month before discounts, as MRR counts them
    (docs/metrics.md)."""
    return sum(
        (item.amount * item.price.billings_per_month for item in billed_items if item.price),
        Fraction(),
    )


def starts_new_period(before: BilledItems, after: BilledItems) -> bool:
    """Return whether an item changes its interval: Stripe then starts a new period."""
    old_items = {item.stripe_id: item for item in before}
    return any(
        _interval(item.price) != _interval(old_items[item.stripe_id].price)
        for item in after
        if item.stripe_id in old_items
    )


def build_item_params(before: BilledItems, after: BilledItems) -> list[Fields]:
    """Return Stripe's ``items`` of an update from before to after; empty if they are equal."""
    new_items = {item.stripe_id: item for item in after if item.stripe_id}
    params: list[Fields] = []
    for old in before:
        new = new_items.get(old.stripe_id)
        if new is None:
            params.append({"id": old.stripe_id, "deleted": True})
        elif new.price_stripe_id != old.price_stripe_id:
            params.append({"id": old.stripe_id, **new.to_params()})
        elif new.quantity != old.quantity:
            params.append({"id": old.stripe_id, "quantity": new.quantity})
    return params + build_phase_params([item for item in after if not item.stripe_id])


def build_phase_params(billed_items: Sequence[BilledItem]) -> list[Fields]:
    """Return Stripe's ``items`` of a schedule phase, which lists all items."""
    return [item.to_params() for item in billed_items]


def product_stripe_ids(billed_items: BilledItems) -> set[str]:
    """Return the Stripe ids of the items' products, of prices in our catalog."""
    return {item.price.product.stripe_id or "" for item in billed_items if item.price}


def _apply_change(before: BilledItems, change: BilledItemChange) -> BilledItems:
    old = next((item for item in before if item.product_id == change.product_id), None)
    if old is None:
        if change.price is None:
            raise NotFound("This subscription has no such product.")
        if change.quantity == 0:
            return before
        added = BilledItem(change.price, change.price.stripe_id or "", change.quantity or 1)
        return (*before, added)
    if change.is_new:
        raise AlreadySubscribed("The add-on is already there. Change its quantity instead.")
    if change.quantity == 0:
        return tuple(item for item in before if item is not old)
    return tuple(
        _replace_price_and_quantity(item, change) if item is old else item for item in before
    )


def _replace_price_and_quantity(old: BilledItem, change: BilledItemChange) -> BilledItem:
    price = change.price or old.price
    return replace(
        old,
        price=price,
        price_stripe_id=(price.stripe_id or "") if price else old.price_stripe_id,
        quantity=old.quantity if change.quantity is None else change.quantity,
    )


def _check_together(prices: Sequence[Price], after: BilledItems) -> None:
    if len(after) > MAX_LINES:
        raise Invalid(f"A subscription has at most {MAX_LINES} items.", field="addons")
    if len({_interval(price) for price in prices}) > 1:
        raise WrongPriceType(
            "All prices of one subscription must have the same interval.", field="price"
        )
    if len({price.product_id for price in prices}) != len(prices):
        raise WrongPriceType("Send at most one price of item product.", field="price")
    if prices:
        total = sum(item.amount for item in after)
        check_total(total, currency=prices[0].currency, field="quantity")


def _daily_amount(billed_items: BilledItems) -> Fraction:
    return sum(
        (
            item.amount / (DAYS[Interval(item.price.interval)] * item.price.interval_count)
            for item in billed_items
            if item.price is not None
        ),
        Fraction(),
    )


def _days(price: Price | None) -> Fraction:
    return DAYS[Interval(price.interval)] * price.interval_count if price else Fraction()


def _interval(price: Price | None) -> tuple[str, int] | None:
    return (price.interval, price.interval_count) if price else None
