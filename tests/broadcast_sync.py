"""Wait until this process has received every broadcast invalidation sent so far."""

import threading
import time
from collections.abc import Callable

from common import broadcast
from common.ids import new_id
from common.redis import client

ECHO = "tests.echo"
_heard: set[str] = set()
_came = threading.Condition()


def until(holds: Callable[[], bool]) -> None:
    """Returns as soon as it holds; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hear() -> None:
    """Returns when this process listens and has heard everything that was said until now, its own
    words included: a late one would drop a copy that the test has made since."""
    until(broadcast.is_heard)
    word = new_id("req")
    client().publish(broadcast.channel(), broadcast.message(ECHO, word))
    with _came:
        assert _came.wait_for(lambda: word in _heard, timeout=10)
        _heard.clear()


def _hear(word: str) -> None:
    with _came:
        _heard.add(word)
        _came.notify_all()


broadcast.register(ECHO, drop=_hear, drop_all=lambda: None)
