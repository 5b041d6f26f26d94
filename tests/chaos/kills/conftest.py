from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kills import processes
from tests.chaos.kills.processes import Forks
from tests.delivery.bus.conftest import effect_table, streams, valkey
from tests.delivery.mail.conftest import ada, smtp
from tests.delivery.signals.conftest import temporal

__all__ = ["ada", "effect_table", "smtp", "streams", "temporal", "valkey"]


@pytest.fixture
def forks(transactional_db: None, tmp_path: Path) -> Iterator[Forks]:
    with processes.forks(tmp_path / "processes.log") as starting:
        yield starting
