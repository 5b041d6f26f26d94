"""Wait until this process hears what others change: what it remembers before that is dropped."""

import time
from collections.abc import Callable

from common import broadcast


def until(holds: Callable[[], bool]) -> None:
    """Returns as soon as it holds; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hear() -> None:
    until(broadcast.is_heard)
