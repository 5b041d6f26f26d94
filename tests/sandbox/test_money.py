"""Amounts are written as people read them."""

from decimal import Decimal

import pytest

from sandbox import money


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1000, "usd", "$10.00"),
        (123456789, "eur", "€1,234,567.89"),
        (500, "jpy", "¥500"),
        (1250, "chf", "CHF 12.50"),
        (12500, "kwd", "KWD 12.500"),
        (1200000, "ugx", "UGX 12,000"),
        (-250, "usd", "−$2.50"),
        (0, "gbp", "£0.00"),
        (Decimal("0.5"), "usd", "$0.005"),
        (Decimal("12.5"), "jpy", "¥12.5"),
    ],
)
def test_amounts_are_written_with_their_currency(amount, currency, expected):
    assert money.format_amount(amount, currency) == expected
