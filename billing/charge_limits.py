"""How much one charge may come to."""

from billing.errors import AmountTooLarge
from common.currencies import max_amount


def check_total(total: int, *, currency: str, field: str) -> None:
    """Raises AmountTooLarge for more minor units than Stripe charges at once in the currency."""
    largest = max_amount(currency)
    if total > largest:
        detail = f"One charge is at most {largest} minor units of {currency.upper()}."
        raise AmountTooLarge(detail, field=field)
