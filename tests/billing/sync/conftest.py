"""Threads that read from Stripe, as many as a test wants, for that test alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pytest_django import Settings

from billing.sync import reader_threads


@pytest.fixture
def use_readers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], None]]:
    """Call it with the number of readers. A process keeps the threads that it has started first,
    so those of another test may be fewer."""
    pools: list[ThreadPoolExecutor] = []

    def use(count: int) -> None:
        pools.append(ThreadPoolExecutor(count, thread_name_prefix="test-reader"))
        monkeypatch.setattr(reader_threads, "_pool", pools[-1])
        settings.BILLING = replace(settings.BILLING, sync_readers=count)

    yield use
    for pool in pools:
        pool.shutdown()
