"""``python -m benchmarks.tracing``: what traces cost, off and on.

Servers of the same database: one without traces, one that records the default share of them, and
one that records all. The last two send spans to a collector of this process. Compared is the CPU
time that a server's processes need for one request, in turns: other programs of the machine
disturb it less than requests per second. Prints the medians. ``--rounds``, ``--seconds``.
"""

import argparse
import statistics
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil

from benchmarks import api_client, wrk
from benchmarks.bench_servers import VAR, BenchDatabase, BenchServers
from benchmarks.measures import checks, usage
from benchmarks.sizes import QUICK
from benchmarks.wrk import LoadResult

OFF, SHARE, ALL = "off", "on", "on, all requests"
RATIOS = {SHARE: "0.05", ALL: "1"}
READ = "/api/v1/entitlements?user_id="
ROWS_PER_SECOND = 6_000
Case = Callable[[BenchDatabase, float], LoadResult]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    wrk.check_installed()
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with _collector() as endpoint, BenchServers(QUICK, log) as servers:
        off = servers.empty()
        servers.serve(off)
        worlds = {OFF: off}
        for name, ratio in RATIOS.items():
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER_ARG": ratio}
            worlds[name] = servers.serve_again(off, **variables)
        api_client.warm_checks(off, range(checks.WARM_CUSTOMERS), "sso")
        for number in range(options.rounds):
            log(f"round {number + 1} of {options.rounds}")
            order = list(worlds.items())
            for case, measure in CASES.items():
                for name, world in order if number % 2 else reversed(order):
                    before = _cpu_seconds(world)
                    load = measure(world, options.seconds)
                    if load.bad or not load.requests:
                        log(f"{load.bad} wrong answers of {load.requests}: {case}, {name}")
                        return 1
                    spent = _cpu_seconds(world) - before
                    figures[case][name].append(spent / load.requests * 1e6)
    _print_report(figures)
    return 0


def _cpu_seconds(world: BenchDatabase) -> float:
    """CPU time of the processes that listen on the server's port."""
    connections = psutil.net_connections("tcp4")
    listening = [
        each.pid
        for each in connections
        if each.status == psutil.CONN_LISTEN
        and each.pid
        and each.laddr
        and each.laddr.port == world.port
    ]
    times = [psutil.Process(pid).cpu_times() for pid in listening]
    return sum(each.user + each.system for each in times)


def _check(world: BenchDatabase, seconds: float) -> LoadResult:
    return checks.check_in_process(world, seconds)


def _record_usage(world: BenchDatabase, seconds: float) -> LoadResult:
    at = VAR / "tracing-usage"
    load, _, wrong = usage.measure_ingest(world, seconds, size=1, at=at, most=ROWS_PER_SECOND)
    if wrong:
        raise RuntimeError(wrong)
    return load


def _read(world: BenchDatabase, seconds: float) -> LoadResult:
    """The ordinary path: Django, REST framework, one log line."""
    arguments = [READ, "", world.shop.key, "0", str(checks.WARM_CUSTOMERS)]
    return wrk.run_wrk(
        world.url, script="get.lua", arguments=arguments, seconds=seconds, connections=8
    )


CASES: dict[str, Case] = {
    "check, warm in the process": _check,
    "POST /usage, one record": _record_usage,
    "GET /entitlements": _read,
}


@contextmanager
def _collector() -> Iterator[str]:
    """Accept spans and forget them. Yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _print_report(figures: dict[str, dict[str, list[float]]]) -> None:
    for case, costs in figures.items():
        parts = [f"{case}: {statistics.median(costs[OFF]):.0f} µs of CPU without traces"]
        for name in RATIOS:
            ratios = [on / off for on, off in zip(costs[name], costs[OFF], strict=True)]
            low, high = min(ratios), max(ratios)
            parts.append(f"{name} × {statistics.median(ratios):.3f} ({low:.2f} to {high:.2f})")
        print("; ".join(parts))


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
