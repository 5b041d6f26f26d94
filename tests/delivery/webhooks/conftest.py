from collections.abc import Iterator
from typing import Any

import pytest

from common.conf import EgressSettings
from delivery.sender.process import SenderProcess
from delivery.webhooks.dispatcher import Dispatcher
from tests.delivery.sender.conftest import LOCAL
from tests.delivery.webhooks.dispatching import Dispatching


@pytest.fixture(scope="module")
def sender() -> Iterator[SenderProcess]:
    with SenderProcess(LOCAL) as process:
        yield process


@pytest.fixture
def dispatching(db: None, sender: SenderProcess, settings: Any) -> Iterator[Dispatching]:
    settings.EGRESS = EgressSettings(loopback=True)
    dispatcher = Dispatcher(sender)
    yield Dispatching(dispatcher)
    while dispatcher.has_in_flight:
        dispatcher.collect(at=Dispatching(dispatcher).at, wait=0.1)
