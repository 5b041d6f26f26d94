"""A project's mirrors on a clock that tests move."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from projects.models import Project
from tests.billing.analytics.ledger import Ledger
from tests.billing.analytics.metrics_calls import count_until

START = datetime(2026, 3, 10, 9, tzinfo=UTC)
TODAY = START.date()
DAY = timedelta(days=1)


@pytest.fixture
def ledger(project: Project) -> Ledger:
    return Ledger(project)


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    """The clock stands at the morning of 10 March 2026 until a test moves it."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def week(ledger: Ledger, traveller: time_machine.Traveller) -> Ledger:
    """Alice upgrades on the second day, bob leaves on the third; then four quiet days."""
    small, large = ledger.price(1000), ledger.price(3000)
    alice = ledger.subscribe(small, "alice", at=START)
    bob = ledger.subscribe(small, "bob", at=START)
    count_until(TODAY + DAY, traveller)
    ledger.change(alice, at=START + DAY, price=large)
    count_until(TODAY + 2 * DAY, traveller)
    ledger.cancel(bob, at=START + 2 * DAY)
    for number in range(3, 8):
        count_until(TODAY + number * DAY, traveller)
    return ledger
