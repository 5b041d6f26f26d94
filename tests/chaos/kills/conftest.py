from collections.abc import Iterator

import pytest

from tests.chaos.kills import processes
from tests.chaos.kills.processes import Forks
from tests.delivery.bus.conftest import effect_table, streams, valkey
from tests.delivery.mail.conftest import ada, smtp
from tests.delivery.signals.conftest import temporal

__all__ = ["ada", "effect_table", "smtp", "streams", "temporal", "valkey"]


@pytest.fixture(scope="session")
def fork_program(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Forks]:
    """The process that has loaded the product. It does nothing itself, so all tests share it."""
    with processes.forks(tmp_path_factory.mktemp("forks") / "processes.log") as starting:
        yield starting


@pytest.fixture
def forks(transactional_db: None, fork_program: Forks) -> Iterator[Forks]:
    """Ends with all processes that the test has started."""
    yield fork_program
    fork_program.kill_all()
