"""Automatic tax with the sandbox's own rates: few places have one, all others 0.

United States: 7.25 % in California. Germany: 19 %. The shipping address has precedence over the
billing address. ``tax_behavior=inclusive`` prices contain the tax; for others it is added. Each
line's tax is rounded separately, after discounts, halves away from zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from sandbox.billing import pricing
from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.resources import tax_rates
from sandbox.transaction import Transaction


class TaxRule(NamedTuple):
    country: str
    state: str | None
    percentage: Decimal
    name: str
    type: str


TAX_RULES = (
    TaxRule("US", "CA", Decimal("7.25"), "Sales Tax", "sales_tax"),
    TaxRule("DE", None, Decimal(19), "VAT", "vat"),
)
REASONS = {"exempt": "customer_exempt", "reverse": "reverse_charge"}
ZERO = Decimal(0)


def is_complete_location(address: Object | None) -> bool:
    """Whether the address has a country and, in the United States, a state or ZIP code."""
    if not address or not address["country"]:
        return False
    return address["country"] != "US" or bool(address["state"] or address["postal_code"])


def find_location(customer: Object) -> Object | None:
    """Address at which the customer is taxed, if known."""
    shipping = (customer["shipping"] or {}).get("address")
    return next(
        (each for each in (shipping, customer["address"]) if is_complete_location(each)), None
    )


def check_location(customer: Object, *, param: str) -> None:
    """Raise 400 ``customer_tax_location_invalid`` if the customer's location is unknown."""
    if find_location(customer) is None:
        raise StripeFailure(
            "The customer's location isn't recognized. Set a valid customer address in order to "
            "automatically calculate tax.",
            code="customer_tax_location_invalid",
            param=param,
        )


def compute_automatic_tax(
    tx: Transaction, amount: int, *, behavior: str, address: Object | None, exempt: str = "none"
) -> list[Object]:
    """The ``taxes`` of a line with this amount; empty where no tax applies."""
    rate = next((each for each in TAX_RULES if _applies(each, address)), None)
    if rate is None:
        return []
    inclusive = behavior == "inclusive"
    percentage = ZERO if exempt in REASONS else rate.percentage
    tax = _tax_amount(amount, percentage, inclusive=inclusive)
    return [
        {
            "amount": tax,
            "tax_behavior": "inclusive" if inclusive else "exclusive",
            "tax_rate_details": {
                "tax_rate": tax_rates.find_or_create_automatic(tx, rate, inclusive=inclusive)["id"]
            },
            "taxability_reason": REASONS.get(exempt, "standard_rated"),
            "taxable_amount": amount - tax if inclusive else amount,
            "type": "tax_rate_details",
        }
    ]


def compute_by_rates(amount: int, rates: Iterable[Object]) -> list[Object]:
    """The ``taxes`` of a line with tax rates chosen by the merchant."""
    return [_compute_by_rate(amount, rate) for rate in rates]


def sum_exclusive(taxes: Iterable[Object]) -> int:
    """Sum of the taxes that are added to the price."""
    return sum(int(each["amount"]) for each in taxes if each["tax_behavior"] == "exclusive")


def sum_inclusive(taxes: Iterable[Object]) -> int:
    """Sum of the taxes that the price contains."""
    return sum(int(each["amount"]) for each in taxes if each["tax_behavior"] == "inclusive")


def merge_taxes(lines: Iterable[Object]) -> list[Object]:
    """Total ``taxes`` of the lines, one per tax rate and taxability reason."""
    totals: dict[tuple[str, str], Object] = {}
    for each in (tax for line in lines for tax in line["taxes"]):
        key = (each["tax_rate_details"]["tax_rate"], each["taxability_reason"])
        total = totals.setdefault(key, {**each, "amount": 0, "taxable_amount": 0})
        for name in ("amount", "taxable_amount"):
            total[name] += each[name]
    return list(totals.values())


def enabled_automatic_tax(provider: bool = True) -> Object:
    """``automatic_tax`` of invoices and sessions before taxes are computed."""
    return {
        "enabled": True,
        "liability": {"type": "self"},
        "provider": "stripe" if provider else None,
        "status": "requires_location_inputs",
    }


def _compute_by_rate(amount: int, rate: Object) -> Object:
    inclusive = bool(rate["inclusive"])
    tax = _tax_amount(amount, Decimal(str(rate["percentage"])), inclusive=inclusive)
    return {
        "amount": tax,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": amount - tax if inclusive else amount,
        "type": "tax_rate_details",
    }


def _applies(rate: TaxRule, address: Object | None) -> bool:
    return bool(
        address
        and address["country"] == rate.country
        and (rate.state is None or address["state"] == rate.state)
    )


def _tax_amount(amount: int, percentage: Decimal, *, inclusive: bool) -> int:
    whole = 100 + percentage if inclusive else Decimal(100)
    return pricing.round_amount(amount * percentage / whole)
