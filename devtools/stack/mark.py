"""The mark of a stack in its processes' environment, by which all of them are found, orphans
included."""

import signal
from pathlib import Path

import psutil

from devtools.processes import end

MARK = "TOLLGATE_STACK"
PROGRAM = "TOLLGATE_PROGRAM"


def processes_of(var: Path, program: str | None = None) -> list[psutil.Process]:
    """All living processes of the stack in `var`, or of one of its programs; children inherit the
    mark."""
    return [process for process in psutil.process_iter() if _is_marked(process, var, program)]


def end_orphans(var: Path, program: str, *, patience: float) -> None:
    """End the processes that an ended program left running, such as its workers."""
    end(*processes_of(var, program), patience=patience)


def sweep(var: Path, *, patience: float) -> None:
    """End all processes of the stack: first those that were started, then the ones that they
    left."""
    marked = processes_of(var)
    pids = {process.pid for process in marked}
    end(*(process for process in marked if _parent(process) not in pids), patience=patience)
    end(*processes_of(var), stop_signal=signal.SIGKILL)


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
