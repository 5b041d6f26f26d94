"""Compute the credits of a purchase or of a period of a subscription, and their expiry.

Pure: no database, no settings, no clock. ``docs/credits.md`` has the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from billing.access.policies import RemainingAccess

if TYPE_CHECKING:
    from entitlements.credits.credit_grant_terms import CreditGrantTerms


@dataclass(frozen=True, slots=True)
class CreditPeriod:
    """The time that credits are for, ``[starts_at, ends_at)``."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCredits:
    """The credits of one product for one period of a customer.

    ``amount``: credits that the period's money gives. ``used``: credits that are spent or reserved.
    ``carried``: credits withheld here because another plan's were overdrawn. ``is_free``: the
    period costs nothing. ``is_open``: its credits can still be spent, so ``carried`` may change.
    """

    period: CreditPeriod
    amount: int
    used: int
    carried: int
    is_free: bool
    is_open: bool

    @property
    def overdrawn(self) -> int:
        """Credits spent beyond ``amount``."""
        return max(self.used - self.amount, 0)

    def can_cover(self, other: "PlanCredits") -> bool:
        """Whether this plan gives fewer credits when ``other`` is overdrawn. Only a free plan that
        starts before the end of ``other`` covers a free one; every plan covers a paid one."""
        if other.is_free:
            return self.is_free and self.period.starts_at < other.period.ends_at
        return True


def expiry(
    starts_at: datetime, *, ends_at: datetime | None = None, days: int | None
) -> datetime | None:
    """``days`` after the start; without ``days`` the end of the period, if there is one."""
    return ends_at if days is None else starts_at + timedelta(days=days)


def apply_remaining_access(
    terms: "CreditGrantTerms", remaining: RemainingAccess | None
) -> "CreditGrantTerms":
    """The terms after refunds and disputes: the remaining part of the amount is due, rounded down;
    it is withheld while a dispute is open and ends no later than the policy allows."""
    if remaining is None:
        return replace(terms, due=0, is_withheld=False)
    numerator, denominator = remaining.share
    ends = [moment for moment in (terms.expires_at, remaining.ends_at) if moment is not None]
    return replace(
        terms,
        due=terms.amount * numerator // denominator,
        is_withheld=remaining.held_since is not None,
        expires_at=min(ends, default=None),
    )


def elapsed_part(amount: int, *, period: CreditPeriod, until: datetime) -> int:
    """The part of ``amount`` for the time of the period before ``until``, rounded down."""
    length = period.ends_at - period.starts_at
    part = min(max(until - period.starts_at, timedelta()), length)
    return amount * part // length if length else 0


def carry_over(plans: Sequence[PlanCredits]) -> list[int]:
    """By plan, the credits that it withholds to cover overdrafts of the customer's other plans.

    The plans are in the order in which their periods began. A plan that can no longer be spent
    keeps its ``carried``, which reduces the overdraft that is still to be covered.
    """
    overdrafts = [plan.overdrawn for plan in plans]
    withheld = []
    for plan in sorted(plans, key=lambda candidate: candidate.is_open):
        room = max(plan.amount - plan.used, 0) if plan.is_open else plan.carried
        covered = 0
        for number, other in enumerate(plans):
            part = min(overdrafts[number], room - covered) if plan.can_cover(other) else 0
            overdrafts[number] -= part
            covered += part
        withheld.append((plan, covered if plan.is_open else plan.carried))
    return [next(less for candidate, less in withheld if candidate is plan) for plan in plans]
