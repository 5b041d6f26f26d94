"""``python -m benchmarks.neighbours``: one tenant beside another that sends as fast as it can.

B sends 100 checks and 20 reads a second, evenly. Its times are measured alone, and beside A, whose
connections send checks, reads, or wrong keys without a pause. Prints B's median and 99th percentile
and the ratios. The limits are the product's defaults. Exit code 1 if a request of B was refused or
not answered.
"""

import argparse
import http.client
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

from benchmarks import api_client, wrk
from benchmarks.bench_servers import BenchDatabase, BenchServers
from benchmarks.measures import checks
from benchmarks.sizes import QUICK
from benchmarks.wrk import LoadResult
from config.server.files import allow_many_files

SECONDS = 8
CHECK = f"{checks.PATH}?user_id=u1&feature=sso"
READ = "/api/v1/customers?limit=20"
A_READ = "/api/v1/entitlements?user_id="
PER_SECOND = {CHECK: 100, READ: 20}
NAMES = {CHECK: "check", READ: "read"}
TARGET = 2.0
A_PROJECT = """
from django.utils import timezone
from projects.tenants import projects
print(projects.register(name="A", slug="a", actor="command", at=timezone.now()).secret)
"""


@dataclass(slots=True)
class Probe:
    """B's times in milliseconds by path, and the number of requests that were refused, or whose
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
        flood = partial(_flood, world, options.connections)
        floods: dict[str, Callable[[], LoadResult]] = {
            "A checks": partial(flood, a_key, f"{checks.PATH}?feature=sso&user_id="),
            "A reads": partial(flood, a_key, A_READ),
            "A guesses keys": partial(flood, "tg_test_" + "x" * 43, A_READ),
        }
        _probe(world, SECONDS)  # processes load their views after they are ready
        for number in range(options.rounds):
            log(f"round {number + 1} of {options.rounds}")
            probes["alone"].append(_probe(world, SECONDS))
            for name, run in floods.items():
                with _running(run):
                    time.sleep(1)
                    probes[name].append(_probe(world, SECONDS - 2))
                time.sleep(checks.EXPIRY_SECONDS)
    return _print_report(probes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument("--connections", type=int, default=64, help="of A; 64 by default")
    parser.add_argument("--rounds", type=int, default=3, help="3 by default")
    return parser


def _with_default_limits(world: BenchDatabase) -> BenchDatabase:
    limits = ("RATE_LIMIT_REQUESTS", "RATE_LIMIT_CHECKS")
    kept = {name: value for name, value in world.environment.items() if name not in limits}
    return replace(world, environment=kept)


def _flood(world: BenchDatabase, connections: int, key: str, prefix: str) -> LoadResult:
    return wrk.run_wrk(
        world.url,
        script="get.lua",
        arguments=[prefix, "", key, "0", str(checks.WARM_CUSTOMERS)],
        seconds=SECONDS,
        connections=connections,
    )


@contextmanager
def _running(flood: Callable[[], LoadResult]) -> Iterator[None]:
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _probe(world: BenchDatabase, seconds: float) -> Probe:
    """B's own requests, one thread for each path."""
    probe = Probe({path: [] for path in PER_SECOND})
    threads = [
        threading.Thread(target=_send_evenly, args=(world, path, seconds, probe))
        for path in PER_SECOND
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return probe


def _send_evenly(world: BenchDatabase, path: str, seconds: float, probe: Probe) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
    headers = {"Authorization": f"Bearer {world.shop.key}"}
    pause, end = 1 / PER_SECOND[path], time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            probe.failures += 1
            connection.close()  # the next request opens another one
        else:
            probe.times[path].append((time.perf_counter() - started) * 1000)
            probe.failures += answer.status != 200
        time.sleep(max(0.0, pause - (time.perf_counter() - started)))
    connection.close()


def _print_report(probes: dict[str, list[Probe]]) -> int:
    rounds = len(probes["alone"])
    print(f"Load of the machine {os.getloadavg()[0]:.1f}; all times of {rounds} rounds.")
    alone = {path: _percentile(_times(probes["alone"], path), 99) for path in PER_SECOND}
    for name, runs in probes.items():
        for path in PER_SECOND:
            times = _times(runs, path)
            p99 = _percentile(times, 99)
            mark = "" if p99 <= TARGET * alone[path] else " ✗"
            print(
                f"{name:15} B's {NAMES[path]:5} p50 {statistics.median(times):7.2f} ms,"
                f" p99 {p99:7.2f} ms, {p99 / alone[path]:5.2f} × alone{mark}"
            )
    failures = sum(run.failures for runs in probes.values() for run in runs)
    print(f"Requests of B that were refused or not answered: {failures}.")
    return int(failures > 0)


def _times(runs: list[Probe], path: str) -> list[float]:
    return [each for run in runs for each in run.times[path]]


def _percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
