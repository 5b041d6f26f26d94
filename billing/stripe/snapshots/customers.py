"""Customers."""

from dataclasses import dataclass

from billing.stripe.snapshots.base import StripeSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSnapshot(StripeSnapshot):
    """``balance`` in minor units of ``currency``; negative is a credit."""

    email: str = ""
    name: str = ""
    currency: str = ""
    balance: int = 0
    delinquent: bool = False
    default_method: str = ""
    """Stripe's id of the default payment method; empty without one."""
