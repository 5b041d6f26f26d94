"""A server from a wheel: started on a free port, recognised as ours, stopped reliably."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psutil

from devtools.embedded.place import Account
from devtools.embedded.record import ServerRecord
from devtools.processes import end, free_port

ATTEMPTS = 5  # another program may take the free port before the server binds it
DEADLINE = 30.0  # seconds until a server that lives but does not answer has failed


class ServerFailed(RuntimeError):
    """The server did not start; the message ends with the last lines of its log."""


class Server(ABC):
    """One server under `home`. `durable` keeps its data safe; without it the server is faster."""

    name: ClassVar[str]
    stop_signal: ClassVar[int] = signal.SIGTERM
    drop_signal: ClassVar[int] = signal.SIGKILL
    patience = 10.0  # seconds between asking it to stop and killing it

    def __init__(self, home: Path, *, durable: bool, password: str) -> None:
        self.home = home
        self.durable = durable
        self.password = password
        self.data = home / self.name
        self.log = home / f"{self.name}.log"
        self._state = home / f"{self.name}.json"
        self._child: psutil.Popen | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Create the data directory unless it exists."""

    @abstractmethod
    def command(self, *, port: int) -> Sequence[str]:
        """The program and its arguments; it must stay in the foreground."""

    @abstractmethod
    def answers(self, record: ServerRecord) -> bool:
        """Whether exactly this process serves on this port, and not another one that took the
        port."""

    def account(self) -> Account:
        """The account that it runs as."""
        return {}

    @property
    def port(self) -> int:
        record = ServerRecord.read(self._state)
        if record is None:
            raise ServerFailed(f"{self.name} was never started in {self.home}.")
        return record.port

    def is_running(self) -> bool:
        record = ServerRecord.read(self._state)
        return record is not None and record.process() is not None and self.answers(record)

    def lives(self) -> bool:
        """Whether its process exists; the server is not contacted."""
        record = ServerRecord.read(self._state)
        return record is not None and record.process() is not None

    def restart(self) -> None:
        """Start it again on the same port, because others use its address. Raises ServerFailed."""
        self._living_child()  # reaps one that has ended
        if not self._launch(port=self.port):
            raise ServerFailed(
                f"{self.name} does not start again. Its log, {self.log}, ends with:\n{self.tail()}"
            )

    def start(self) -> None:
        """Start the server and return when it answers. Raises ServerFailed."""
        if self.is_running():
            return
        self.stop()
        self.prepare()
        for _ in range(ATTEMPTS):
            if self._launch(port=free_port()):
                return
        raise ServerFailed(
            f"{self.name} does not start. Its log, {self.log}, ends with:\n{self.tail()}"
        )

    def stop(self) -> None:
        """Stop the server and wait for its end; do nothing if it does not run."""
        process = self._living_child() or self._recorded()
        if process is not None:
            number = self.stop_signal if self.durable else self.drop_signal
            end(process, stop_signal=number, patience=self.patience)
        self._child = None
        self._state.unlink(missing_ok=True)

    def tail(self, *, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _living_child(self) -> psutil.Popen | None:
        """Our own child; an ended one is reaped, because a zombie looks like a living process."""
        child = self._child
        return child if child is not None and child.poll() is None else None

    def _recorded(self) -> psutil.Process | None:
        record = ServerRecord.read(self._state)
        return record.process() if record else None

    def _launch(self, *, port: int) -> bool:
        with self.log.open("ab") as log:
            self._child = psutil.Popen(
                self.command(port=port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                **self.account(),
            )
        record = ServerRecord(pid=self._child.pid, started=self._child.create_time(), port=port)
        record.write(self._state)
        return self._wait(self._child, record)

    def _wait(self, child: psutil.Popen, record: ServerRecord) -> bool:
        deadline = time.monotonic() + DEADLINE
        while child.poll() is None:
            if self.answers(record):
                return True
            if time.monotonic() > deadline:
                self.stop()
                return False
            time.sleep(0.02)
        return False
