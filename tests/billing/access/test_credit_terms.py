"""Purchases and periods are converted to numbers of credits."""

from datetime import UTC, datetime, timedelta

from billing.access.credit_terms import (
    CreditPeriod,
    PlanCredits,
    apply_remaining_access,
    carry_over,
    elapsed_part,
    expiry,
)
from billing.access.policies import RemainingAccess
from entitlements.credits.credit_grant_terms import CreditGrantTerms

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = CreditPeriod(START, START + 30 * DAY)


def test_when_credits_expire() -> None:
    assert expiry(START, days=None) is None
    assert expiry(START, days=90) == START + 90 * DAY
    assert expiry(START, ends_at=MONTH.ends_at, days=None) == MONTH.ends_at
    assert expiry(START, ends_at=MONTH.ends_at, days=90) == START + 90 * DAY


def test_credits_due_after_a_refund_or_dispute() -> None:
    terms = CreditGrantTerms(amount=100, due=0, expires_at=MONTH.ends_at)
    cases = [
        (RemainingAccess(), 100, False, MONTH.ends_at),
        (None, 0, False, MONTH.ends_at),
        (RemainingAccess(share=(1, 3)), 33, False, MONTH.ends_at),
        (RemainingAccess(share=(999, 1000)), 99, False, MONTH.ends_at),
        (RemainingAccess(held_since=START), 100, True, MONTH.ends_at),
        (RemainingAccess(ends_at=START + DAY), 100, False, START + DAY),
        (RemainingAccess(ends_at=START + 99 * DAY), 100, False, MONTH.ends_at),
    ]
    for left, due, is_withheld, expires_at in cases:
        remaining_terms = apply_remaining_access(terms, left)
        assert (remaining_terms.due, remaining_terms.is_withheld, remaining_terms.expires_at) == (
            due,
            is_withheld,
            expires_at,
        )
    assert (
        apply_remaining_access(
            CreditGrantTerms(amount=5, due=0), RemainingAccess(ends_at=START)
        ).expires_at
        == START
    )


def test_a_period_that_ends_early_gives_the_share_that_has_passed() -> None:
    cases = [
        (MONTH.ends_at, 1000),
        (MONTH.ends_at + DAY, 1000),
        (START + 15 * DAY, 500),
        (START + DAY, 33),
        (START, 0),
        (START - DAY, 0),
    ]
    for until, expected in cases:
        assert elapsed_part(1000, period=MONTH, until=until) == expected, until
    assert elapsed_part(1000, period=CreditPeriod(START, START), until=START) == 0


def plan(
    amount: int,
    used: int = 0,
    carried: int = 0,
    *,
    since: int = 0,
    free: bool = False,
    is_open: bool = True,
) -> PlanCredits:
    return PlanCredits(
        period=CreditPeriod(START + since * DAY, START + (since + 30) * DAY),
        amount=amount,
        used=used,
        carried=carried,
        is_free=free,
        is_open=is_open,
    )


def test_overdrawn_credits_are_carried_over_once() -> None:
    over = plan(33, 100, is_open=False)
    cases = [
        ([plan(100, 40), plan(100)], [0, 0]),
        ([over, plan(500)], [0, 67]),
        ([over, plan(50), plan(500)], [0, 50, 17]),
        ([over, plan(50, carried=50, is_open=False), plan(500)], [0, 50, 17]),
        ([over, plan(67, carried=67, is_open=False), plan(500)], [0, 67, 0]),
        ([over, plan(500, 480)], [0, 20]),
        ([over, plan(500, 600)], [0, 0]),
        ([plan(500), over], [67, 0]),
        ([plan(0, 100, free=True), plan(100)], [0, 0]),
        ([plan(0, 100, free=True), plan(100, free=True, since=1)], [0, 100]),
        ([plan(0, 100, free=True), plan(100, free=True, since=30)], [0, 0]),
        ([over, plan(100, free=True, since=90)], [0, 67]),
        ([], []),
    ]
    for number, (plans, expected) in enumerate(cases):
        assert carry_over(plans) == expected, number
