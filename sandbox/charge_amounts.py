"""Amounts that Stripe charges: minimum, maximum and multiple of each currency."""

from sandbox.currencies import MINIMUM_CHARGE, charge_multiple, maximum_amount
from sandbox.errors import invalid


def check_amount(amount: int, currency: str) -> None:
    """Raise 400 for an amount that Stripe does not charge in this currency."""
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if amount < MINIMUM_CHARGE.get(currency, 1):
        raise invalid(
            f"Amount must convert to at least {MINIMUM_CHARGE[currency]} {currency} in minor "
            "units.",
            param="amount",
            code="amount_too_small",
        )
    if amount > (largest := maximum_amount(currency)):
        raise invalid(
            f"Amount must be no more than {largest} {currency} in minor units.",
            param="amount",
            code="amount_too_large",
        )
    if amount % charge_multiple(currency):
        raise invalid(
            f"Amount must be divisible by {charge_multiple(currency)} in {currency}.",
            param="amount",
            code="parameter_invalid_integer",
        )
