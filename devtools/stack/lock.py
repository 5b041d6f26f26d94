"""The lock that allows one stack per `var`, and the record of its holder."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from devtools.processes import Identity

FILE = "stack.lock"


class AlreadyRunning(RuntimeError):
    """The stack already runs in another process."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that runs a stack, and the address of its web server."""

    pid: int
    started: float
    web_url: str

    def process(self) -> psutil.Process | None:
        return Identity(pid=self.pid, started=self.started).process()


@contextmanager
def held(var: Path, *, web_url: str) -> Iterator[None]:
    """Hold the lock; the system releases it when the process dies. Raises AlreadyRunning."""
    with (var / FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_message(var)) from None
        this_process = psutil.Process()
        file.truncate(0)
        json.dump(
            asdict(
                Holder(pid=this_process.pid, started=this_process.create_time(), web_url=web_url)
            ),
            file,
        )
        file.flush()
        yield


def holder(var: Path) -> Holder | None:
    """The process that runs the stack according to the file; it may have ended."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Holder(**json.loads((var / FILE).read_text()))
    return None


def _message(var: Path) -> str:
    running = holder(var)
    where = f" as process {running.pid} at {running.web_url}" if running else ""
    return f"It is running already{where}. Stop it with Ctrl-C where it runs, or with: make down"
