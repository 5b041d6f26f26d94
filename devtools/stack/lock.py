"""One stack per `var`: the lock that says so, and who holds it."""

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
    """This stack runs in another process."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that runs a stack, and where its web server is."""

    pid: int
    started: float
    web_url: str

    def process(self) -> psutil.Process | None:
        return Identity(pid=self.pid, started=self.started).process()


@contextmanager
def held(var: Path, *, web_url: str) -> Iterator[None]:
    """Hold the lock; the system releases it when we die. Raises AlreadyRunning."""
    with (var / FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_who(var)) from None
        me = psutil.Process()
        file.truncate(0)
        json.dump(asdict(Holder(pid=me.pid, started=me.create_time(), web_url=web_url)), file)
        file.flush()
        yield


def holder(var: Path) -> Holder | None:
    """Who runs the stack, as far as the file tells; its process may be gone."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Holder(**json.loads((var / FILE).read_text()))
    return None


def _who(var: Path) -> str:
    known = holder(var)
    where = f" as process {known.pid} at {known.web_url}" if known else ""
    return f"It is running already{where}. Stop it with Ctrl-C where it runs, or with: make down"
