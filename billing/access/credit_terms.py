"""How many credits a purchase or a period of a subscription comes to, and until when.

No database, no settings, no clock: values in, values out. ``docs/credits.md`` has the law.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from billing.access.policies import Left

if TYPE_CHECKING:
    from entitlements.credits.credit_grant_terms import CreditGrantTerms


@dataclass(frozen=True, slots=True)
class Period:
    """The time that credits are for, ``[starts_at, ends_at)``."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCredits:
    """The credits of one product for one period of a customer: how many its money gives
    (``amount``), how many were spent or are reserved (``used``), how many fewer it gives for what
    was spent beyond the money of another one (``carried``).

    ``is_free``: the period costs nothing. ``is_open``: it can still be spent, so ``carried`` may
    change.
    """

    period: Period
    amount: int
    used: int
    carried: int
    is_free: bool
    is_open: bool

    @property
    def overdrawn(self) -> int:
        """How many were spent beyond its money."""
        return max(self.used - self.amount, 0)

    def answers_for(self, other: "PlanCredits") -> bool:
        """Whether it gives less for what was overdrawn of the other: a free period only for
        another free one that has not passed, a paid one for every paid one."""
        if other.is_free:
            return self.is_free and self.period.starts_at < other.period.ends_at
        return True


def expiry(
    starts_at: datetime, *, ends_at: datetime | None = None, days: int | None
) -> datetime | None:
    """So many days after the start; without a number at the end of the period, if there is one."""
    return ends_at if days is None else starts_at + timedelta(days=days)


def after(terms: "CreditGrantTerms", left: Left | None) -> "CreditGrantTerms":
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


def passed(amount: int, *, period: Period, until: datetime) -> int:
    """The share of an amount for the part of the period that is before ``until``, rounded down."""
    length = period.ends_at - period.starts_at
    part = min(max(until - period.starts_at, timedelta()), length)
    return amount * part // length if length else 0


def carry(plans: Sequence[PlanCredits]) -> list[int]:
    """How many fewer each of a customer's plans gives for what was spent beyond the money of the
    others. The plans come in the order in which their periods began.

    What one gave less once it can no longer be spent stays so, and has paid what was owed.
    """
    owed = [plan.overdrawn for plan in plans]
    carried = []
    for plan in sorted(plans, key=lambda each: each.is_open):
        room = max(plan.amount - plan.used, 0) if plan.is_open else plan.carried
        taken = 0
        for number, other in enumerate(plans):
            part = min(owed[number], room - taken) if plan.answers_for(other) else 0
            owed[number] -= part
            taken += part
        carried.append((plan, taken if plan.is_open else plan.carried))
    return [next(less for each, less in carried if each is plan) for plan in plans]
