"""Money: an integer number of minor units and a currency, never a float."""

from dataclasses import dataclass
from typing import Self

from common.currencies import exponent

MAX_AMOUNT = 10**12 - 1
"""Largest amount in any currency, in minor units; ``currencies.max_amount`` has the limit of
each."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """``amount`` minor units (cents, yen, fils) of ``currency`` (ISO 4217, lower case)."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError("An amount is an integer number of minor units.")
        if exponent(self.currency) is None:
            raise ValueError(f"Unknown currency {self.currency!r}.")

    def _same(self, other: Self) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be combined.")

    def __add__(self, other: Self) -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Self) -> "Money":
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount * quantity, self.currency)

    def __str__(self) -> str:
        """The amount for people: ``29.00 USD``, ``2900 JPY``, ``2.900 KWD``."""
        digits = exponent(self.currency) or 0
        sign, units = ("-" if self.amount < 0 else ""), str(abs(self.amount)).rjust(digits + 1, "0")
        whole, fraction = (units[:-digits], f".{units[-digits:]}") if digits else (units, "")
        return f"{sign}{whole}{fraction} {self.currency.upper()}"
