"""Processes that a checkout starts: who they are, whether they live, how they end."""

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
    """A process that a later one with the same number cannot be mistaken for."""

    pid: int
    started: float

    @classmethod
    def of(cls, process: psutil.Process) -> "Identity":
        return cls(pid=process.pid, started=process.create_time())

    def process(self) -> psutil.Process | None:
        """The process while it lives; None when it ended, also when nobody has reaped it yet."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > 2:  # seconds; the number was reused
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, on any address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that was free a moment ago: whoever binds it still has to check that it did."""
    for port in random.sample(PORTS, len(PORTS)):
        if is_free(port):
            return port
    raise OSError("No free port between 20000 and 32767 on 127.0.0.1.")


def end(*processes: psutil.Process, ask: int = signal.SIGTERM, patience: float = 10) -> None:
    """Ask the processes to stop, kill who lives on after `patience` seconds, see all of them gone.

    Raises TimeoutError for one that not even SIGKILL ends.
    """
    for number, seconds in ((ask, patience), (signal.SIGKILL, 10)):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + seconds
        processes = tuple(one for one in processes if not _has_ended(one, by=deadline))
    if processes:
        raise TimeoutError(f"Not even SIGKILL ends {', '.join(map(str, processes))}.")


def _has_ended(process: psutil.Process, *, by: float) -> bool:
    while not (gone := _is_gone(process)) and time.monotonic() < by:
        time.sleep(0.01)
    return gone


def _is_gone(process: psutil.Process) -> bool:
    """Whether it ended. Our own child is reaped; another's zombie waits for its own parent."""
    try:
        process.wait(0)
    except psutil.TimeoutExpired:
        with suppress(psutil.NoSuchProcess):
            return process.ppid() != os.getpid() and process.status() == psutil.STATUS_ZOMBIE
    return True
