"""What processes cost before and after they work: start, ``manage.py check``, private memory."""

import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from benchmarks import report
from benchmarks.bench_servers import VAR, BenchDatabase, BenchServers
from benchmarks.measurements import Measurements
from benchmarks.stripe_stack import cpu_seconds, family
from devtools.embedded import CHECKOUT
from devtools.processes import free_port
from devtools.stack.program import Program
from devtools.stack.programs import web
from devtools.stack.readiness import serves

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StartCost:
    """Seconds, and seconds of CPU time of all its processes, until a program is ready."""

    seconds: float
    cpu_seconds: float


def measure(
    servers: BenchServers, world: BenchDatabase, program: Program, figures: Measurements
) -> None:
    """Start the web server and ``manage.py check`` on this database, and look at the memory of
    ``program``, a web server of it that has worked."""
    starts = {
        (report.WEB_START, report.WEB_CPU): start_web(servers, world),
        (report.CHECK_START, report.CHECK_CPU): run_check(world),
    }
    for (seconds, cpu), cost in starts.items():
        figures.add_cost(report.case_name(seconds, world.name), cost.seconds)
        figures.add_cost(report.case_name(cpu, world.name), cost.cpu_seconds)
    figures.add_cost(report.case_name(report.WEB_MIB, world.name), largest_child_mib(program))


def start_web(servers: BenchServers, world: BenchDatabase) -> StartCost:
    """Start the web server with its two processes until ``/ready`` is answered with 200."""
    port, started = free_port(), time.perf_counter()
    program = servers.start(
        "web-start",
        web(port),
        port,
        world.environment,
        is_ready=lambda: serves(port, "/ready"),
    )
    cost = StartCost(time.perf_counter() - started, cpu_seconds(program))
    servers.stop(program)
    return cost


def run_check(world: BenchDatabase) -> StartCost:
    """Run ``manage.py check``."""
    return _run([sys.executable, "manage.py", "check"], world.environment)


def largest_child_mib(program: Program) -> float:
    """Private memory (USS) of the largest process below the program's own, in MiB."""
    _, *children = family(program)
    return max(_private_bytes(child) for child in children) / MIB


def _private_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.NoSuchProcess:
        return 0


def _run(command: list[str], environment: Mapping[str, str]) -> StartCost:
    before, started = _children_cpu(), time.perf_counter()
    with (VAR / "log" / "check.log").open("wb") as log:
        subprocess.run(
            command,
            cwd=CHECKOUT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return StartCost(time.perf_counter() - started, _children_cpu() - before)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
