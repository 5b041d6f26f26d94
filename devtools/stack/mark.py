"""The mark of a stack in its processes' environment: it finds all of them, orphans included."""

import signal
from pathlib import Path

import psutil

from devtools.processes import end

MARK = "TOLLGATE_STACK"
PROGRAM = "TOLLGATE_PROGRAM"


def processes_of(var: Path, program: str | None = None) -> list[psutil.Process]:
    """Every living process of the stack in `var`, or of one of its programs: children inherit the
    marks."""
    return [process for process in psutil.process_iter() if _is_marked(process, var, program)]


def end_orphans(var: Path, program: str, *, patience: float) -> None:
    """End what a program that has ended left running: its workers would serve on beside those of
    the next one."""
    end(*processes_of(var, program), patience=patience)


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


def _is_marked(process: psutil.Process, var: Path, program: str | None) -> bool:
    try:
        environment = process.environ()
        is_ours = environment.get(MARK) == str(var)
        if program is not None and environment.get(PROGRAM) != program:
            return False
        return is_ours and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
