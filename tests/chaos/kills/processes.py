"""Processes of the product on the test's database, which a test kills and freezes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from django.db import connection

from tests.services import ROOT
from tests.waiting import PATIENCE, wait_until

PRIME = 7919


def step_of(kill: int, span: int) -> int:
    """The step at which a process dies the n-th time: spread over all steps from 1 to ``span``, and
    the same in every run."""
    return 1 + kill * PRIME % span


@dataclass(frozen=True, slots=True)
class Child:
    """A process that plays a role."""

    pid: int
    log: Path

    def is_dead(self) -> bool:
        return self._status() in (None, psutil.STATUS_ZOMBIE)

    def is_frozen(self) -> bool:
        return self._status() == psutil.STATUS_STOPPED

    def wait_for_death(self) -> None:
        wait_until(self.is_dead, partial(self._describe, "should have died"))

    def wait_for_freeze(self) -> None:
        wait_until(self.is_frozen, partial(self._describe, "should have stopped"))

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_death()

    def _status(self) -> str | None:
        try:
            return psutil.Process(self.pid).status()
        except psutil.NoSuchProcess:
            return None

    def _describe(self, what: str) -> str:
        return f"Process {self.pid} {what}. The log ends with:\n{self.log.read_text()[-2000:]}"


class Forks:
    """Starts processes by forking one that has loaded the product."""

    def __init__(self, program: "subprocess.Popen[str]", log: Path) -> None:
        self._program, self._log = program, log

    def start(
        self, role: str, argument: str = "", *, step: int = 0, number: int = signal.SIGKILL
    ) -> Child:
        """A process in this role. It sends itself the signal at this step; 0: never."""
        request = {"role": role, "argument": argument, "step": step, "signal": number}
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        print(json.dumps(request), file=self._program.stdin, flush=True)
        line = self._program.stdout.readline()
        assert line, self._log.read_text()
        return Child(int(line), self._log)

    def kill_all(self) -> None:
        """Kill the processes that are left, and those that they have started."""
        for process in psutil.Process(self._program.pid).children(recursive=True):
            Child(process.pid, self._log).kill()

    @contextmanager
    def running(self, role: str, argument: str = "") -> Iterator[Child]:
        """A process that lives until the end of the block."""
        child = self.start(role, argument)
        try:
            yield child
        finally:
            child.kill()

    def kill_at(self, role: str, argument: str = "", *, step: int) -> None:
        """Let a process work up to this step, and die there."""
        self.start(role, argument, step=step).wait_for_death()

    def freeze_at(
        self, role: str, argument: str = "", *, step: int, meanwhile: Callable[[], None]
    ) -> None:
        """Let a process stop at this step, let it go on after ``meanwhile``, then kill it."""
        child = self.start(role, argument, step=step, number=signal.SIGSTOP)
        try:
            child.wait_for_freeze()
            meanwhile()
            child.go_on()
        finally:
            child.kill()


@contextmanager
def forks(log: Path) -> Iterator[Forks]:
    """Ends with all of its processes."""
    at = connection.settings_dict
    database = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    with log.open("w") as err:
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.kills.fork_program"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database, "EGRESS_LOOPBACK": "true"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        assert program.stdout.readline() == "ready\n", log.read_text()
        yield Forks(program, log)
    finally:
        program.stdin.close()
        program.wait(PATIENCE)
        program.stdout.close()
