"""Format amounts in minor units: ``$10.00``, ``¥500``, ``CHF 12.50``."""

from __future__ import annotations

from decimal import Decimal

ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
     "xof", "xpf")
)  # fmt: skip
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
HIDDEN_HUNDREDTHS = frozenset(("isk", "ugx"))
"""Currencies sent in hundredths and shown without decimals: they have no minor unit."""
SYMBOLS = {
    "aud": "A$", "brl": "R$", "cad": "CA$", "cny": "CN¥", "eur": "€", "gbp": "£", "hkd": "HK$",
    "ils": "₪", "inr": "₹", "jpy": "¥", "krw": "₩", "mxn": "MX$", "nzd": "NZ$", "php": "₱",
    "twd": "NT$", "usd": "$", "vnd": "₫",
}  # fmt: skip


def minor_unit_digits(currency: str) -> int:
    """Number of digits of the minor unit in the API."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def format_amount(amount: int | Decimal, currency: str) -> str:
    """Format an amount. Fractions of a minor unit are shown; nothing is rounded."""
    major = Decimal(amount).scaleb(-minor_unit_digits(currency))
    exponent = major.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    least = 0 if currency in HIDDEN_HUNDREDTHS else minor_unit_digits(currency)
    number = f"{abs(major):,.{max(least, needed)}f}"
    symbol = SYMBOLS.get(currency, f"{currency.upper()} ")
    return f"{'−' if major < 0 else ''}{symbol}{number}"
