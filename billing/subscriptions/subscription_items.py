"""What a subscription is billed for, as values: items before a change and after it.

Pure: prices come in loaded with their products, and what comes out are Stripe's parameters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from billing.charge_limits import check_total
from billing.checkout.orders import MAX_LINES, NO_QUANTITY
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
"""How long an interval is when amounts of different ones are compared."""


@dataclass(frozen=True, slots=True)
class BilledItem:
    """One price of a subscription and how many of it.

    ``item`` is its item at Stripe, empty for one that is to be added. ``price`` is None for a
    price that is not in our catalog; such a position stays as it is.
    """

    price: Price | None
    price_stripe_id: str
    quantity: int
    item: str = ""

    @property
    def product_id(self) -> str:
        return self.price.product_id if self.price else ""

    @property
    def amount(self) -> int:
        """Minor units in each interval; what is billed by use is not known beforehand."""
        return self.price.amount_of(self.quantity) if self.price else 0

    def told(self) -> Fields:
        """As Stripe is told; what is metered has no quantity."""
        if self.price is not None and self.price.is_metered:
            return {"price": self.price_stripe_id}
        return {"price": self.price_stripe_id, "quantity": self.quantity}


BilledItems = tuple[BilledItem, ...]


@dataclass(frozen=True, slots=True)
class BilledItemChange:
    """What one product of the subscription shall be; None leaves as it is, 0 takes it away."""

    product_id: str
    price: Price | None = None
    quantity: int | None = None
    is_new: bool = False


def of(subscription: Subscription) -> BilledItems:
    """What it is billed for now; its items are loaded with their prices."""
    return tuple(
        BilledItem(item.price, item.price_stripe_id, item.quantity, item.stripe_id)
        for item in subscription.items.all()
    )


def changed(before: BilledItems, item_changes: Iterable[BilledItemChange]) -> BilledItems:
    """What it will be billed for. Raises AlreadySubscribed, NotFound or Invalid."""
    after = before
    for change in item_changes:
        after = _with(after, change)
    if not after:
        raise Invalid("A subscription keeps one item: cancel it instead.", field="quantity")
    return after


def check(before: BilledItems, after: BilledItems, *, currency: str) -> None:
    """Raises for prices that cannot be put on this subscription, or not together."""
    known = [each for each in after if each.price is not None]
    for position in known:
        price = position.price
        assert price is not None
        if not price.is_recurring:
            raise WrongPriceType("A subscription has recurring prices only.", field="price")
        if price.is_metered and position.quantity != 1:
            raise Invalid(NO_QUANTITY, field="quantity")
        if currency and price.currency != currency:
            raise OtherCurrency(f"This subscription is paid in {currency}.", field="price")
        is_kept = any(price == each.price for each in before)
        if not is_kept and not (price.active and price.product.active):
            raise NotOnSale(f"{price.pk} is archived. Offer another price.")
    _check_together([each.price for each in known if each.price], after)


def is_upgrade(before: BilledItems, after: BilledItems) -> bool:
    """Whether a month of it costs at least as much as it did."""
    return _per_day(after) >= _per_day(before)


def is_less(before: BilledItems, after: BilledItems) -> bool:
    """Whether a period of it costs less than it did, or is shorter: what Stripe's portal lets begin
    with the next period."""
    kept = {each.item: each for each in before}
    shorter = any(
        _days(each.price) < _days(kept[each.item].price)
        for each in after
        if each.item in kept and each.price and kept[each.item].price
    )
    return shorter or sum(each.amount for each in after) < sum(each.amount for each in before)


def monthly(billed_items: BilledItems) -> Fraction:
    """What a month of it costs, exactly: minor units, a year being twelve months of 365 days."""
    return _per_day(billed_items) * DAYS[Interval.MONTH]


def restarts(before: BilledItems, after: BilledItems) -> bool:
    """Whether an item gets another interval, with which a new period begins."""
    kept = {each.item: each for each in before}
    return any(
        _interval(each.price) != _interval(kept[each.item].price)
        for each in after
        if each.item in kept
    )


def items(before: BilledItems, after: BilledItems) -> list[Fields]:
    """Stripe's ``items`` of an update that leads from one to the other; empty if none differs."""
    kept = {each.item: each for each in after if each.item}
    params: list[Fields] = []
    for old in before:
        new = kept.get(old.item)
        if new is None:
            params.append({"id": old.item, "deleted": True})
        elif new.price_stripe_id != old.price_stripe_id:
            params.append({"id": old.item, **new.told()})
        elif new.quantity != old.quantity:
            params.append({"id": old.item, "quantity": new.quantity})
    added = [each for each in after if not each.item]
    return params + phase_items(added)


def phase_items(billed_items: Sequence[BilledItem]) -> list[Fields]:
    """Stripe's ``items`` where all of them are said."""
    return [each.told() for each in billed_items]


def products(billed_items: BilledItems) -> set[str]:
    """Stripe's ids of the products that are in our catalog."""
    return {each.price.product.stripe_id or "" for each in billed_items if each.price}


def _with(before: BilledItems, change: BilledItemChange) -> BilledItems:
    old = next((each for each in before if each.product_id == change.product_id), None)
    if old is None:
        if change.price is None:
            raise NotFound("This subscription has no such product.")
        if change.quantity == 0:
            return before
        added = BilledItem(change.price, change.price.stripe_id or "", change.quantity or 1)
        return (*before, added)
    if change.is_new:
        raise AlreadySubscribed("Change the quantity of the add-on instead.")
    if change.quantity == 0:
        return tuple(each for each in before if each is not old)
    return tuple(_altered(each, change) if each is old else each for each in before)


def _altered(old: BilledItem, change: BilledItemChange) -> BilledItem:
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
            "Prices of one subscription are paid in the same interval.", field="price"
        )
    if len({price.product_id for price in prices}) != len(prices):
        raise WrongPriceType("One price for each product of a subscription.", field="price")
    if prices:
        total = sum(each.amount for each in after)
        check_total(total, currency=prices[0].currency, field="quantity")


def _per_day(billed_items: BilledItems) -> Fraction:
    return sum(
        (
            each.amount / (DAYS[Interval(each.price.interval)] * each.price.interval_count)
            for each in billed_items
            if each.price is not None
        ),
        Fraction(),
    )


def _days(price: Price | None) -> Fraction:
    return DAYS[Interval(price.interval)] * price.interval_count if price else Fraction()


def _interval(price: Price | None) -> tuple[str, int] | None:
    return (price.interval, price.interval_count) if price else None
