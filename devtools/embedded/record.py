"""The file by which other processes find a running server."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from devtools.processes import Identity


@dataclass(frozen=True, kw_only=True)
class ServerRecord:
    """The process that serves, and its port on 127.0.0.1."""

    pid: int
    started: float
    port: int

    def process(self) -> psutil.Process | None:
        return Identity(pid=self.pid, started=self.started).process()

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> "ServerRecord | None":
        """The record; None without a readable one."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
