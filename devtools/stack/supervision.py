"""Restarts an ended process and prints a line about it; after too many restarts the stack is given
up."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from devtools.embedded.server import Server, ServerFailed
from devtools.embedded.servers import Servers
from devtools.stack.program import Program, ProgramFailed, with_tail

MOST_RESTARTS = 5
WINDOW_SECONDS = 300.0
"""More restarts than ``MOST_RESTARTS`` within this time mean that restarting does not help."""
DELAYS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Pause before the first, second, … restart: its dependencies may be restarting, too."""

Say = Callable[[str], object]


class Watch:
    """Checks one process when it is called, and restarts it after it has ended."""

    def __init__(
        self, name: str, log: Path, *, ended: Callable[[], str | None], restart: Callable[[], None]
    ) -> None:
        self.name = name
        self._log = log
        self._ended = ended
        self._restart = restart
        self._restarts: list[float] = []
        self._due: float | None = None

    @classmethod
    def of_program(cls, program: Program, restart: Callable[[], None]) -> "Watch":
        return cls(program.name, program.log, ended=program.ended, restart=restart)

    @classmethod
    def of_server(cls, server: Server, servers: Servers) -> "Watch":
        return cls(
            server.name,
            server.log,
            ended=lambda: None if server.lives() else "ended",
            restart=lambda: servers.revive(server),
        )

    def look(self, say: Say, *, now: float | None = None) -> None:
        """Restart the process if it has ended and its pause is over.

        Raises ProgramFailed instead of a sixth restart.
        """
        now = time.monotonic() if now is None else now
        if self._due is None and (ending := self._ended()) is not None:
            self._plan(ending, say, now)
        if self._due is not None and now >= self._due:
            self._due = None
            with suppress(ServerFailed):  # it has ended once more: the next call handles it
                self._restart()

    def _plan(self, ending: str, say: Say, now: float) -> None:
        self._restarts = [
            restarted_at for restarted_at in self._restarts if now - restarted_at < WINDOW_SECONDS
        ]
        count = len(self._restarts)
        if count == MOST_RESTARTS:
            reason = f"{ending} and was restarted {count} times within {WINDOW_SECONDS:.0f} s"
            raise ProgramFailed(with_tail(f"{self.name} {reason}: giving up.", self._log))
        say(f"{self.name} {ending}. It is restarted ({count + 1} of {MOST_RESTARTS}).")
        self._restarts.append(now)
        self._due = now + DELAYS_SECONDS[count]
