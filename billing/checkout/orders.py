"""Check which prices can be bought together: pure functions over order lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from billing.charge_limits import check_total
from billing.errors import MixedCurrencies, NotOnSale, WrongPriceType
from billing.models import Price
from common.errors import Invalid

T = TypeVar("T")

MAX_LINES = 20
MAX_QUANTITY = 999_999
NO_METERED_QUANTITY = "Leave the quantity out: a metered price bills what was used."


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A price and its quantity."""

    price: Price
    quantity: int


def check(*, lines: Sequence[OrderLine]) -> None:
    """Check that one page can sell these lines now. Raises subclasses of Invalid and Conflict."""
    if not lines:
        raise Invalid(f"Send 1 to {MAX_LINES} lines.", field="lines")
    check_together(lines=lines)
    for line in lines:
        check_on_sale(price=line.price)


def check_together(*, lines: Sequence[OrderLine]) -> None:
    """Check that these lines can be one order.

    They need one currency, at most one subscription beside any number of one-time items, and a
    total within Stripe's limits. Raises Invalid, WrongPriceType, MixedCurrencies.
    """
    if len(lines) > MAX_LINES:
        raise Invalid(f"Send at most {MAX_LINES} lines.", field="lines")
    if len({line.price.pk for line in lines}) != len(lines):
        raise Invalid("Name each price once, with a quantity.", field="lines")
    for index, line in enumerate(lines):
        if not 1 <= line.quantity <= MAX_QUANTITY:
            raise Invalid(f"Send 1 to {MAX_QUANTITY}.", field=f"lines/{index}/quantity")
        if line.price.is_metered and line.quantity != 1:
            raise Invalid(NO_METERED_QUANTITY, field=f"lines/{index}/quantity")
    _check_subscription([line.price for line in lines if line.price.is_recurring])
    _check_money(lines)


def check_on_sale(*, price: Price) -> None:
    """Raise NotOnSale for a price that is archived or whose product is archived."""
    if not (price.active and price.product.active):
        raise NotOnSale(f"{price.pk} is archived. Send another price.")


def _check_subscription(recurring: Sequence[Price]) -> None:
    """Check that the recurring prices can be one subscription: one interval, one per product."""
    if not _are_equal((price.interval, price.interval_count) for price in recurring):
        raise WrongPriceType(
            "All prices of one subscription must have the same interval.", field="lines"
        )
    if len({price.product_id for price in recurring}) != len(recurring):
        raise WrongPriceType("Send at most one recurring price of each product.", field="lines")


def _check_money(lines: Sequence[OrderLine]) -> None:
    if not _are_equal(line.price.currency for line in lines):
        raise MixedCurrencies("All prices of one page must have the same currency.", field="lines")
    if lines:
        total = sum(line.price.amount_of(line.quantity) for line in lines)
        check_total(total, currency=lines[0].price.currency, field="lines")


def _are_equal(values: Iterable[T]) -> bool:
    """Return whether there are no two different values."""
    return len(set(values)) <= 1
