"""One process of the stack: started with a log of its own, watched and ended."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TAIL = 20  # lines of a log that tell why a program failed


class ProgramFailed(RuntimeError):
    """A program ended or did not become ready; the message names it and ends with its log."""


@dataclass
class Program:
    """A command that runs until it is ended; `is_ready` says whether it works."""

    name: str
    command: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    process: psutil.Popen | None = field(default=None, init=False, repr=False)

    def start(
        self, *, environment: Mapping[str, str], directory: Path, is_restart: bool = False
    ) -> None:
        """Start it in a session of its own, so that Ctrl-C in a terminal does not reach it.

        A restart appends to the log, so that the reason of the end stays there.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab" if is_restart else "wb") as log:
            self.process = psutil.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )

    def ended(self) -> str | None:
        """How it ended; None while it runs, and before its start."""
        if self.process is None or self.process.poll() is None:
            return None
        return describe(self.process.returncode)

    def check(self) -> None:
        """Raise ProgramFailed if it has ended."""
        ending = self.ended()
        if ending is not None:
            raise self.failure(ending)

    def failure(self, reason: str) -> ProgramFailed:
        return ProgramFailed(with_tail(f"{self.name} {reason}.", self.log))


def describe(returncode: int) -> str:
    """How a process ended, from its return code."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"was ended by signal {-returncode}"


def with_tail(sentence: str, log: Path) -> str:
    """The sentence followed by the last lines of the log."""
    lines = log.read_text(errors="replace").splitlines()[-TAIL:]
    return "\n".join([f"{sentence} Its log, {log}, ends:", *lines])
