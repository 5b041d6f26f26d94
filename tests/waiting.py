"""Waiting for other threads and processes: generously, since a busy machine may pause any of them.

No test asserts how *little* time something took. What must not wait is given a wait that outlives
the test, or is seen by what it does not do: a ``SilentServer`` counts who came to wait.
"""

import socket
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds."""


def wait_until(holds: Callable[[], bool], what: Callable[[], str] | str = "") -> None:
    """Return as soon as ``holds()`` is true. Fail with ``what`` after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


class SilentServer:
    """Accepts connections and never answers, as a frozen server does."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._listening.setblocking(False)
        self._accepted: list[socket.socket] = []
        self.port: int = listening.getsockname()[1]

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        while True:
            try:
                self._accepted.append(self._listening.accept()[0])
            except BlockingIOError:
                return len(self._accepted)

    def close(self) -> None:
        """End every connection, and refuse further ones. May be called again."""
        self._listening.close()
        while self._accepted:
            self._accepted.pop().close()
