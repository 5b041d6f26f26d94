"""What may be bought together, and in which way: rules over values, no reads and no writes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from billing.errors import (
    AmountTooLarge,
    MixedCurrencies,
    NotOnSale,
    TypeNotSold,
    WrongPriceType,
)
from billing.models import Price
from billing.models.checkout import CheckoutType
from common.errors import Invalid
from common.money import MAX_AMOUNT
from projects.models import Project

T = TypeVar("T")

MAX_LINES = 20
MAX_QUANTITY = 999_999


@dataclass(frozen=True, slots=True)
class Line:
    """A price and how many of it."""

    price: Price
    quantity: int


def check(*, project: Project, lines: Sequence[Line], wanted: CheckoutType | None) -> CheckoutType:
    """How these lines are bought. Raises for what cannot be sold, or not together."""
    _check_lines(lines)
    found = _type_of(lines)
    if wanted is not None and wanted != found:
        raise WrongPriceType(
            "Recurring prices are bought with /checkout/subscription, the others with "
            "/checkout/item.",
            field="lines",
        )
    if project.sells and found.value not in project.sells:
        raise TypeNotSold(f"Add {found.value!r} to the project's sells first.")
    for line in lines:
        if not (line.price.active and line.price.product.active):
            raise NotOnSale(f"{line.price.pk} is archived. Offer another price.")
    _check_money(lines)
    return found


def _check_lines(lines: Sequence[Line]) -> None:
    if not 1 <= len(lines) <= MAX_LINES:
        raise Invalid(f"Send 1 to {MAX_LINES} lines.", field="lines")
    if len({line.price.pk for line in lines}) != len(lines):
        raise Invalid("Name each price once, with a quantity.", field="lines")
    for index, line in enumerate(lines):
        if not 1 <= line.quantity <= MAX_QUANTITY:
            raise Invalid(f"From 1 to {MAX_QUANTITY}.", field=f"lines/{index}/quantity")


def _type_of(lines: Sequence[Line]) -> CheckoutType:
    recurring = _same(line.price.is_recurring for line in lines)
    if recurring is None:
        raise WrongPriceType(
            "Recurring and one-time prices are bought in two checkouts.", field="lines"
        )
    if not recurring:
        return CheckoutType.ITEM
    if _same((line.price.interval, line.price.interval_count) for line in lines) is None:
        raise WrongPriceType(
            "Prices of one subscription are paid in the same interval.", field="lines"
        )
    if len({line.price.product_id for line in lines}) != len(lines):
        raise WrongPriceType("One price for each product of a subscription.", field="lines")
    return CheckoutType.SUBSCRIPTION


def _check_money(lines: Sequence[Line]) -> None:
    if _same(line.price.currency for line in lines) is None:
        raise MixedCurrencies("Open one checkout for each currency.", field="lines")
    if sum(line.price.unit_amount * line.quantity for line in lines) > MAX_AMOUNT:
        raise AmountTooLarge(f"One charge is at most {MAX_AMOUNT} minor units.", field="lines")


def _same(values: Iterable[T]) -> T | None:
    """The value that they all share, or None."""
    first, *others = dict.fromkeys(values)
    return None if others else first
