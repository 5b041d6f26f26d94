"""One process of the stack: started with a log of its own, watched, ended."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TAIL = 20  # lines of a log that tell why a program failed


class ProgramFailed(RuntimeError):
    """A program ended or never became ready; the message names it and ends with its log."""


@dataclass
class Program:
    """A command that runs until it is ended; `is_ready` tells whether it does its work."""

    name: str
    command: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    process: psutil.Popen | None = field(default=None, init=False, repr=False)

    def start(self, *, environment: Mapping[str, str], directory: Path) -> None:
        """Start it in a session of its own, so that Ctrl-C in a terminal does not reach it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = psutil.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ProgramFailed when it has ended."""
        if self.process is not None and self.process.poll() is not None:
            raise self.failure(f"ended with exit code {self.process.returncode}")

    def failure(self, what: str) -> ProgramFailed:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return ProgramFailed("\n".join([f"{self.name} {what}. Its log, {self.log}, ends:", *lines]))
