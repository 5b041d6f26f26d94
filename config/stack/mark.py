"""The mark of a stack in its processes' environment: it finds all of them, orphans included."""

import signal
from pathlib import Path

import psutil

from config.processes import end

MARK = "TOLLGATE_STACK"


def processes_of(var: Path) -> list[psutil.Process]:
    """Every living process of the stack in `var`: children inherit the mark."""
    return [process for process in psutil.process_iter() if _is_marked(process, var)]


def sweep(var: Path, *, patience: float) -> None:
    """End every process of the stack: first those that were started, then what they left."""
    marked = processes_of(var)
    pids = {process.pid for process in marked}
    end(*(process for process in marked if _parent(process) not in pids), patience=patience)
    end(*processes_of(var), ask=signal.SIGKILL)


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return 0


def _is_marked(process: psutil.Process, var: Path) -> bool:
    try:
        is_ours = process.environ().get(MARK) == str(var)
        return is_ours and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
