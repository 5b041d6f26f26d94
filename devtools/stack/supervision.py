"""A process that ends is started again, with a line that says so; one that ends again and again
is given up, and with it the stack."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from devtools.embedded.server import Server, ServerFailed
from devtools.embedded.servers import Servers
from devtools.stack.program import Program, ProgramFailed, with_tail

MOST_RESTARTS = 5
WINDOW_SECONDS = 300.0
"""So many restarts within so long mean that starting it again does not help."""
DELAYS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Before the first, second, … restart: what it needs may be about to come back, too."""

Say = Callable[[str], object]


class Watch:
    """Looks at one process whenever it is asked to, and starts it again after it has ended."""

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
        """Start it again when it has ended and the time has come. Raises ProgramFailed instead
        of starting it a sixth time."""
        now = time.monotonic() if now is None else now
        if self._due is None and (how := self._ended()) is not None:
            self._plan(how, say, now)
        if self._due is not None and now >= self._due:
            self._due = None
            with suppress(ServerFailed):  # it has ended once more: the next look tells
                self._restart()

    def _plan(self, how: str, say: Say, now: float) -> None:
        self._restarts = [each for each in self._restarts if now - each < WINDOW_SECONDS]
        count = len(self._restarts)
        if count == MOST_RESTARTS:
            what = f"{how} and was started {count} times again within {WINDOW_SECONDS:.0f} s"
            raise ProgramFailed(with_tail(f"{self.name} {what}: it is given up.", self._log))
        say(f"{self.name} {how}. It is started again ({count + 1} of {MOST_RESTARTS}).")
        self._restarts.append(now)
        self._due = now + DELAYS_SECONDS[count]
