"""Limit of the amount of one charge."""

from billing.errors import AmountTooLarge
from common.currencies import max_amount


def check_total(total: int, *, currency: str, field: str) -> None:
    """Raise AmountTooLarge if ``total`` (minor units) is more than Stripe charges at once in the
    currency."""
    largest = max_amount(currency)
    if total > largest:
        detail = f"One charge is at most {largest} minor units of {currency.upper()}."
        raise AmountTooLarge(detail, field=field)
