"""What a running server leaves on disk, so that the next process finds it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from devtools.processes import Identity


@dataclass(frozen=True, kw_only=True)
class ServerRecord:
    """Which process serves on which port of 127.0.0.1."""

    pid: int
    started: float
    port: int

    def process(self) -> psutil.Process | None:
        return Identity(pid=self.pid, started=self.started).process()

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> "ServerRecord | None":
        """The record, or None when there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
