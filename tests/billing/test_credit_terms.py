"""How many credits a purchase or a period comes to, as tables."""

from datetime import UTC, datetime, timedelta

from billing.credit_terms import Period, after, expiry, shortened
from billing.policies import Left
from entitlements.services.credit_grants import Terms

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = Period(START, START + 30 * DAY)


def test_when_credits_expire() -> None:
    assert expiry(START, days=None) is None
    assert expiry(START, days=90) == START + 90 * DAY
    assert expiry(START, ends_at=MONTH.ends_at, days=None) == MONTH.ends_at
    assert expiry(START, ends_at=MONTH.ends_at, days=90) == START + 90 * DAY


def test_what_is_due_after_money_went_back() -> None:
    terms = Terms(amount=100, due=0, expires_at=MONTH.ends_at)
    cases = [
        (Left(), 100, False, MONTH.ends_at),
        (None, 0, False, MONTH.ends_at),
        (Left(share=(1, 3)), 33, False, MONTH.ends_at),
        (Left(share=(999, 1000)), 99, False, MONTH.ends_at),
        (Left(held_since=START), 100, True, MONTH.ends_at),
        (Left(ends_at=START + DAY), 100, False, START + DAY),
        (Left(ends_at=START + 99 * DAY), 100, False, MONTH.ends_at),
    ]
    for left, due, is_withheld, expires_at in cases:
        found = after(terms, left)
        assert (found.due, found.is_withheld, found.expires_at) == (due, is_withheld, expires_at)
    assert after(Terms(amount=5, due=0), Left(ends_at=START)).expires_at == START


def test_a_period_that_ends_early_gives_the_share_that_has_passed() -> None:
    cases = [
        (MONTH.ends_at, 0, (1000, 0)),
        (MONTH.ends_at, 1000, (1000, 0)),
        (START + 15 * DAY, 400, (500, 0)),
        (START + 15 * DAY, 900, (500, 400)),
        (START + DAY, 1000, (33, 967)),
        (START, 1000, (0, 1000)),
        (START - DAY, 1, (0, 1)),
    ]
    for until, spent, expected in cases:
        short = shortened(1000, spent=spent, period=MONTH, until=until)
        assert (short.amount, short.ahead) == expected, until
    nothing = shortened(1000, spent=0, period=Period(START, START), until=START)
    assert (nothing.amount, nothing.ahead) == (0, 0)
