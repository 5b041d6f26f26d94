"""How many credits a purchase or a period of a subscription comes to, and until when.

No database, no settings, no clock: values in, values out. ``docs/credits.md`` has the rules.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from billing.policies import Left

if TYPE_CHECKING:
    from entitlements.services.credit_grants import Terms


@dataclass(frozen=True, slots=True)
class Period:
    """The time that credits are for, ``[starts_at, ends_at)``."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Shortened:
    """A period that ended before its time: what it gives after all, and what was spent of it
    beyond that."""

    amount: int
    ahead: int


def expiry(
    starts_at: datetime, *, ends_at: datetime | None = None, days: int | None
) -> datetime | None:
    """So many days after the start; without a number at the end of the period, if there is one."""
    return ends_at if days is None else starts_at + timedelta(days=days)


def after(terms: "Terms", left: Left | None) -> "Terms":
    """The terms once money went back or may have to: what is left of the amount, rounded down,
    withheld while a bank decides, and no longer than the policy says."""
    if left is None:
        return replace(terms, due=0, is_withheld=False)
    kept, of = left.share
    ends = [moment for moment in (terms.expires_at, left.ends_at) if moment is not None]
    return replace(
        terms,
        due=terms.amount * kept // of,
        is_withheld=left.held_since is not None,
        expires_at=min(ends, default=None),
    )


def shortened(amount: int, *, spent: int, period: Period, until: datetime) -> Shortened:
    """What a period gives that ends at ``until`` already: the share of it that has passed, rounded
    down to whole credits."""
    length, passed = period.ends_at - period.starts_at, until - period.starts_at
    part = amount * max(passed, timedelta()) // length if length else 0
    return Shortened(part, max(spent - part, 0))
