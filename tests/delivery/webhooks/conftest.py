from collections.abc import Iterator
from typing import Any

import pytest

from common.conf import EgressSettings
from delivery.sender.process import SenderProcess
from tests.delivery.sender.conftest import LOCAL
from tests.delivery.webhooks.dispatching import Dispatching


@pytest.fixture(scope="module")
def sender() -> Iterator[SenderProcess]:
    with SenderProcess(LOCAL) as process:
        yield process


@pytest.fixture
def dispatching(db: None, sender: SenderProcess, settings: Any) -> Iterator[Dispatching]:
    settings.EGRESS = EgressSettings(loopback=True)
    dispatching = Dispatching.of(sender)
    yield dispatching
    while dispatching.dispatcher.has_in_flight:
        dispatching.dispatcher.collect(at=dispatching.at, wait=0.1)
