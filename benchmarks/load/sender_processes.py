"""The processes that send the load, seen from the one that started them."""

import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import orjson
import psutil

from benchmarks.load.sender import SenderTask
from benchmarks.load.tenant_record import TenantRecord
from devtools.embedded import CHECKOUT
from devtools.processes import end


class SenderFailed(RuntimeError):
    """A load process has ended before it was told to."""


class SenderProcess:
    """One load process. Its lines are read in a thread; ``progress`` is what it said last."""

    def __init__(self, task: SenderTask) -> None:
        self.progress: dict[str, Any] = {}
        self._task = task
        self._steps: dict[str, threading.Event] = {
            name: threading.Event() for name in ("ready", "sent", "records")
        }
        self._records: dict[int, TenantRecord] = {}
        self._process = psutil.Popen(
            [sys.executable, "-m", "benchmarks.load.sender"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self._tell(orjson.dumps(task).decode())

    def begin(self, secrets: Mapping[int, str]) -> None:
        """Start sending. ``secrets`` are those of the endpoints, by tenants' numbers."""
        numbers = {tenant.number for tenant in self._task.tenants}
        own = {str(number): secrets[number] for number in numbers}
        self._tell(orjson.dumps(own).decode())

    def is_at(self, step: str) -> bool:
        """Whether it is ``ready`` or has ``sent`` everything. Raises SenderFailed."""
        if not self._steps[step].is_set() and self._process.poll() is not None:
            raise SenderFailed(f"A load process ended with {self._process.returncode}.")
        return self._steps[step].is_set()

    def finish(self) -> dict[int, TenantRecord]:
        """Let it end; the records of its tenants by their numbers. Raises SenderFailed."""
        self._process.stdin.close()
        if not self._steps["records"].wait(timeout=60):
            raise SenderFailed("A load process did not tell its results.")
        return self._records

    def kill(self) -> None:
        end(self._process, patience=2)

    def _tell(self, line: str) -> None:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        for line in self._process.stdout:
            message = orjson.loads(line)
            if "progress" in message:
                self.progress = message
            if "records" in message:
                records = message["records"].items()
                self._records = {int(n): TenantRecord.from_json(each) for n, each in records}
            for name in message.keys() & self._steps.keys():
                self._steps[name].set()


class SenderProcesses:
    """A context with one process for each task."""

    def __init__(self, tasks: list[SenderTask]) -> None:
        self._tasks = tasks
        self._processes: list[SenderProcess] = []

    def __enter__(self) -> Self:
        self._processes = [SenderProcess(task) for task in self._tasks]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()

    def begin(self, secrets: Mapping[int, str]) -> None:
        for process in self._processes:
            process.begin(secrets)

    def are_at(self, step: str) -> bool:
        return all(process.is_at(step) for process in self._processes)

    def total(self, name: str) -> int:
        """Of what they have told: ``progress`` (requests sent) or ``waiting`` (not answered)."""
        return sum(process.progress.get(name, 0) for process in self._processes)

    def finish(self) -> dict[int, TenantRecord]:
        records: dict[int, TenantRecord] = {}
        for process in self._processes:
            records |= process.finish()
        return records
