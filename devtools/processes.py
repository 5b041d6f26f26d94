"""Processes that a checkout starts: identity, state and end."""

import os
import random
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

PORTS = range(20_000, 32_768)  # below the range that systems hand out to outgoing connections


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A process id with its start time, so that a reused id is not mistaken for the process."""

    pid: int
    started: float

    @classmethod
    def of(cls, process: psutil.Process) -> "Identity":
        return cls(pid=process.pid, started=process.create_time())

    def process(self) -> psutil.Process | None:
        """The process while it lives; None once it has ended, even if it has not been reaped."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > 2:  # seconds; the number was reused
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


def is_free(port: int) -> bool:
    """Whether no process listens on the port, on any address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port. It may be taken before the caller binds it, so the caller must check."""
    for port in random.sample(PORTS, len(PORTS)):
        if is_free(port):
            return port
    raise OSError("No free port between 20000 and 32767 on 127.0.0.1.")


def end(
    *processes: psutil.Process, stop_signal: int = signal.SIGTERM, patience: float = 10
) -> None:
    """Ask the processes to stop, kill those alive after `patience` seconds, and wait for their end.

    Raises TimeoutError for a process that survives SIGKILL.
    """
    for number, seconds in ((stop_signal, patience), (signal.SIGKILL, 10)):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + seconds
        processes = tuple(
            process for process in processes if not _has_ended(process, deadline=deadline)
        )
    if processes:
        raise TimeoutError(f"Not even SIGKILL ends {', '.join(map(str, processes))}.")


def _has_ended(process: psutil.Process, *, deadline: float) -> bool:
    while not (is_gone := _is_gone(process)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_gone


def _is_gone(process: psutil.Process) -> bool:
    """Whether it ended. Our own child is reaped; a zombie of another parent counts as ended."""
    try:
        process.wait(0)
    except psutil.TimeoutExpired:
        with suppress(psutil.NoSuchProcess):
            return process.ppid() != os.getpid() and process.status() == psutil.STATUS_ZOMBIE
    return True
