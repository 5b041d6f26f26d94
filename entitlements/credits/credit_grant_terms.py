"""The terms of a credit grant as values to compare and to show."""

from dataclasses import dataclass, fields
from datetime import datetime

from entitlements.models import CreditGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGrantTerms:
    """What a source states about a credit grant.

    ``amount`` is given, ``due`` is left of it after refunds and disputes, until ``expires_at``;
    ``is_withheld`` while a dispute is open. ``product_id``, ``quantity`` and ``rate`` (credits per
    unit and whole period) explain the amount, less ``carried``: credits spent earlier beyond what
    was paid. ``ends_at`` is the end of the period that the grant is for.
    """

    amount: int
    due: int
    expires_at: datetime | None = None
    is_withheld: bool = False
    product_id: str = ""
    quantity: int = 1
    rate: int = 0
    carried: int = 0
    ends_at: datetime | None = None
    outlives_period: bool = False
    is_free: bool = False


def terms_of(grant: CreditGrant) -> CreditGrantTerms:
    """The current terms of the grant."""
    return CreditGrantTerms(
        amount=grant.amount,
        due=grant.due,
        expires_at=grant.expires_at,
        is_withheld=grant.is_withheld,
        product_id=grant.product_id,
        quantity=grant.quantity,
        rate=grant.rate,
        carried=grant.carried,
        ends_at=grant.ends_at,
        outlives_period=grant.outlives_period,
        is_free=grant.is_free,
    )


def describe_change(grant: CreditGrant, terms: CreditGrantTerms) -> str:
    """The difference between the grant's terms and these, for a log or the console."""
    before = terms_of(grant)
    changes = (
        f"{field.name} {getattr(before, field.name)!s} -> {getattr(terms, field.name)!s}"
        for field in fields(CreditGrantTerms)
        if getattr(before, field.name) != getattr(terms, field.name)
    )
    return f"credits of {grant.pk}: {', '.join(changes)}"
