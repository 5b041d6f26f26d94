"""All processes between the log and its readers, which a test kills, freezes and starts again."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
from django.conf import settings
from django.db import connection

from delivery.models import WebhookEndpoint
from tests.services import ROOT

COMMANDS = {
    "sequencer": ("-m", "tests.delivery.bus.bus_program", "sequencer"),
    "relay": ("-m", "tests.delivery.bus.bus_program", "relay"),
    "consumer 1": ("-m", "tests.delivery.bus.bus_program", "consumer"),
    "consumer 2": ("-m", "tests.delivery.bus.bus_program", "consumer"),
    "dispatcher": ("manage.py", "deliver"),
}
DISPATCHER = "dispatcher"
SENDER = "sender"
"""The dispatcher's child, which has the sockets."""


class WayOutProcesses:
    """A context; it leaves no process running. What they log is in files of ``logs``."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for role in COMMANDS:
            self._start(role)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            _end(process)

    def kill(self, role: str) -> None:
        """Kill it with SIGKILL. It is started again."""
        if role == SENDER:
            self._kill_sender()
            return
        _end(self._running[role])
        if role == DISPATCHER:
            end_leases()
        self._start(role)

    def freeze(self, role: str) -> "FrozenProcess":
        """Stop it for the time of a block. Another dispatcher takes over a frozen one's lanes."""
        frozen = self._running[role]
        frozen.send_signal(signal.SIGSTOP)
        if role == DISPATCHER:
            end_leases()
            self._start(role)
        return FrozenProcess(frozen, is_replaced=role == DISPATCHER)

    def start_ended(self) -> None:
        """Start those that have ended by themselves, as a process manager does."""
        for role, process in self._running.items():
            if process.poll() is not None:
                self._start(role)

    def _kill_sender(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._running[DISPATCHER].pid).children():
                child.kill()

    def _start(self, role: str) -> None:
        at = connection.settings_dict
        database = (
            f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
        )
        with (self._logs / f"{role}.log").open("ab") as log:
            self._running[role] = subprocess.Popen(
                [sys.executable, *COMMANDS[role]],
                cwd=ROOT,
                env={
                    **os.environ,
                    "DATABASE_URL": database,
                    "BUS_ADDRESS": settings.BUS.url,
                    "BUS_IDLE_SECONDS": "1",
                    "EGRESS_LOOPBACK": "true",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class FrozenProcess:
    """A context: the process goes on at its end, and is killed soon if another has replaced it."""

    def __init__(self, process: "subprocess.Popen[bytes]", *, is_replaced: bool) -> None:
        self._process, self._is_replaced = process, is_replaced

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGCONT)
        if self._is_replaced:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            _end(self._process)


def end_leases() -> None:
    """As if the time of the leases had passed."""
    WebhookEndpoint.objects.across_projects().update(leased_until=None)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
