"""Counted days equal an independent count of random histories."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import Price, Subscription
from tests.billing.analytics.conftest import DAY, START
from tests.billing.analytics.counted_days import count_day, mrr, stored_days
from tests.billing.analytics.ledger import Ledger
from tests.transactions import rolled_back

pytestmark = pytest.mark.django_db

USERS, CURRENCIES = ("alice", "bob", "carol"), ("usd", "eur")
STATUSES = ("active", "past_due", "unpaid", "trialing", "paused", "canceled")
STEPS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(USERS),
            st.sampled_from(CURRENCIES),
            st.sampled_from(STATUSES),
            st.integers(1, 3),
        ),
        max_size=4,
    ),
    min_size=1,
    max_size=8,
)


@dataclass
class History:
    """An independent count: what every subscription was at the end of each day."""

    had_mrr: set[tuple[str, str]] = field(default_factory=set)
    last: Counter[tuple[str, str]] = field(default_factory=Counter)

    def next_day(self, states: dict[tuple[str, str], tuple[str, int]]) -> dict[str, Counter[str]]:
        """The MRR columns of a day with these states of (user, currency), by currency."""
        now = Counter(
            {key: amount for key, (status, amount) in states.items() if status == "active"}
        )
        days: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for key in sorted({*now, *self.last}):
            before, after, day = self.last[key], now[key], days[key[1]]
            day["opening"] += before
            day["closing"] += after
            day[self._kind(key, before, after)] += abs(after - before)
        for (_, currency), (status, amount) in states.items():
            days[currency]["past_due"] += amount if status == "past_due" else 0
        self.last = now
        self.had_mrr |= set(now)
        return {currency: +day for currency, day in days.items()}

    def _kind(self, key: tuple[str, str], before: int, after: int) -> str:
        if not before:
            return "reactivation" if key in self.had_mrr else "new"
        if not after:
            return "churned"
        return "expansion" if after > before else "contraction"


@pytest.fixture
def prices(ledger: Ledger) -> dict[str, Price]:
    return {currency: ledger.price(100, currency) for currency in CURRENCIES}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_days_equal_an_independent_count(
    ledger: Ledger,
    prices: dict[str, Price],
    steps: list[list[tuple[str, str, str, int]]],
) -> None:
    with rolled_back():
        expected = dict(play(ledger, prices, steps))
        for (day, currency), columns in expected.items():
            assert mrr(ledger.project, day, currency) == columns, (day, currency)
        stored = stored_days(ledger.project)
        assert {key for key in stored if mrr(ledger.project, *key)} <= expected.keys()
        for key, row in stored.items():
            yesterday = stored.get((key[0] - DAY, key[1]))
            assert row.opening_mrr == (yesterday.closing_mrr if yesterday else 0)


def play(
    ledger: Ledger, prices: dict[str, Price], steps: list[list[tuple[str, str, str, int]]]
) -> Iterator[tuple[tuple[date, str], dict[str, int]]]:
    """Let it happen day by day, and count each day. Yields the columns of an own count."""
    history, rows = History(), dict[tuple[str, str], Subscription]()
    states: dict[tuple[str, str], tuple[str, int]] = {}
    for number, changes in enumerate(steps):
        at = START + number * DAY
        for user_id, currency, status, quantity in changes:
            key = (user_id, currency)
            if key not in states:
                rows[key] = ledger.subscribe(prices[currency], user_id, at=at)
            ended_at = at if status == "canceled" else None
            ledger.change(rows[key], at=at, status=status, quantity=quantity, ended_at=ended_at)
            states[key] = (status, 100 * quantity)
            if status == "canceled":
                del states[key]
        count_day(at.date())
        for currency, columns in history.next_day(states).items():
            yield (at.date(), currency), dict(columns)
