from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from projects.models import Project
from tests.billing.analytics.ledger import Ledger

START = datetime(2026, 3, 10, 9, tzinfo=UTC)


@pytest.fixture
def ledger(project: Project) -> Ledger:
    return Ledger(project)


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    """The clock stands at the morning of 10 March 2026 until a test moves it."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
