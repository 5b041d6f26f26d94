"""What a source says of the credits that it gives, as values to compare and to show."""

from dataclasses import dataclass, fields
from datetime import datetime

from entitlements.models import CreditGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a source says of credits: how many it gives, how many of them are due after refunds
    and the like, until when, and whether they are withheld for now. ``product_id``, ``quantity``
    and ``rate`` (credits of one unit for a whole period) are what the amount was made of, less
    what was ``carried``: spent before beyond what was paid for. ``ends_at`` is the end of the
    period that it is for.
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


def terms_of(grant: CreditGrant) -> Terms:
    """What was said of the grant last."""
    return Terms(
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


def describe_change(grant: CreditGrant, terms: Terms) -> str:
    """What these terms would change of the grant, for a person."""
    before = terms_of(grant)
    changes = (
        f"{each.name} {getattr(before, each.name)!s} -> {getattr(terms, each.name)!s}"
        for each in fields(Terms)
        if getattr(before, each.name) != getattr(terms, each.name)
    )
    return f"credits of {grant.pk}: {', '.join(changes)}"
