"""``python -m benchmarks.neighbours``: one tenant beside another that sends as fast as it can.

B sends 100 checks and 20 reads a second, evenly. Its times are measured alone, and beside A, whose
connections send checks, reads, or wrong keys without a pause. Prints B's median and 99th percentile
and the ratios. ``--grpc``: both call over gRPC. The limits are the product's defaults. Exit code 1
if a request of B was refused or not answered.
"""

import argparse
import os
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import api_client, h2load, wrk
from benchmarks.bench_servers import VAR, BenchDatabase, BenchServers
from benchmarks.measures import checks
from benchmarks.sizes import QUICK
from benchmarks.tenant_doors import CHECK, READ, GrpcDoor, HttpDoor, TenantDoor
from config.server.files import allow_many_files

SECONDS = 8
PER_SECOND = {CHECK: 100, READ: 20}
TARGET = 2.0
A_PROJECT = """
from django.utils import timezone
from projects.tenants import projects
print(projects.register(name="A", slug="a", actor="command", at=timezone.now()).secret)
"""


@dataclass(slots=True)
class Probe:
    """B's times in milliseconds by question, and the number of requests that were refused, or whose
    connection was closed instead of an answer."""

    times: dict[str, list[float]]
    failures: int = 0


def main() -> int:
    options = _parser().parse_args()
    wrk.check_installed()
    allow_many_files()
    probes: dict[str, list[Probe]] = defaultdict(list)
    with BenchServers(QUICK, log) as servers:
        world = _with_default_limits(servers.empty())
        servers.serve(world)
        a_key = servers.shell(world, A_PROJECT).strip()
        api_client.warm_checks(world, range(checks.WARM_CUSTOMERS), "sso")
        door = _open_door(servers, world) if options.grpc else HttpDoor(world)
        flood = partial(door.flood, connections=options.connections, seconds=SECONDS)
        floods = {
            "A checks": partial(flood, CHECK, a_key),
            "A reads": partial(flood, READ, a_key),
            "A guesses keys": partial(flood, READ, "tg_test_" + "x" * 43),
        }
        probe = partial(_probe, door, world.shop.key)
        probe(SECONDS)  # processes load their views after they are ready
        for number in range(options.rounds):
            log(f"round {number + 1} of {options.rounds}")
            probes["alone"].append(probe(SECONDS))
            for name, run in floods.items():
                with _running(run):
                    time.sleep(1)
                    probes[name].append(probe(SECONDS - 2))
                time.sleep(checks.EXPIRY_SECONDS)
    return _print_report(probes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument("--connections", type=int, default=64, help="of A; 64 by default")
    parser.add_argument("--rounds", type=int, default=3, help="3 by default")
    parser.add_argument("--grpc", action="store_true", help="both call over gRPC")
    return parser


def _open_door(servers: BenchServers, world: BenchDatabase) -> GrpcDoor:
    h2load.check_installed()
    _, port = servers.serve_rpc(world)
    return GrpcDoor(port, VAR / "rpc")


def _with_default_limits(world: BenchDatabase) -> BenchDatabase:
    limits = ("RATE_LIMIT_REQUESTS", "RATE_LIMIT_CHECKS")
    kept = {name: value for name, value in world.environment.items() if name not in limits}
    return replace(world, environment=kept)


@contextmanager
def _running(flood: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _probe(door: TenantDoor, key: str, seconds: float) -> Probe:
    """B's own requests, one thread for each question."""
    probe = Probe({name: [] for name in PER_SECOND})
    threads = [
        threading.Thread(target=_ask_evenly, args=(door, key, name, seconds, probe))
        for name in PER_SECOND
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return probe


def _ask_evenly(door: TenantDoor, key: str, name: str, seconds: float, probe: Probe) -> None:
    pause, end = 1 / PER_SECOND[name], time.perf_counter() + seconds
    with door.caller(name, key) as ask:
        while (started := time.perf_counter()) < end:
            if ask():
                probe.times[name].append((time.perf_counter() - started) * 1000)
            else:
                probe.failures += 1
            time.sleep(max(0.0, pause - (time.perf_counter() - started)))


def _print_report(probes: dict[str, list[Probe]]) -> int:
    rounds = len(probes["alone"])
    print(f"Load of the machine {os.getloadavg()[0]:.1f}; all times of {rounds} rounds.")
    alone = {name: _percentile(_times(probes["alone"], name), 99) for name in PER_SECOND}
    for beside, runs in probes.items():
        for name in PER_SECOND:
            times = _times(runs, name)
            p99 = _percentile(times, 99)
            mark = "" if p99 <= TARGET * alone[name] else " ✗"
            print(
                f"{beside:15} B's {name:5} p50 {statistics.median(times):7.2f} ms,"
                f" p99 {p99:7.2f} ms, {p99 / alone[name]:5.2f} × alone{mark}"
            )
    failures = sum(run.failures for runs in probes.values() for run in runs)
    print(f"Requests of B that were refused or not answered: {failures}.")
    return int(failures > 0)


def _times(runs: list[Probe], name: str) -> list[float]:
    return [each for run in runs for each in run.times[name]]


def _percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
