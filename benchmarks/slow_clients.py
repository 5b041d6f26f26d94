"""``python -m benchmarks.slow_clients``: checks beside clients that hold connections open.

Prints the 99th percentile of warm checks alone, beside 500 connections that send one byte of a body
per second, and beside 1,500 idle ones; and the ratios. The server is the product's, without a
proxy. Exit code 1 after a wrong answer.
"""

import os
import socket
import statistics
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from benchmarks import api_client, wrk
from benchmarks.bench_servers import BenchDatabase, BenchServers
from benchmarks.measures import checks
from benchmarks.sizes import QUICK
from benchmarks.wrk import LoadResult
from config.server.files import allow_many_files

DRIBBLING, IDLE = 500, 1500
CONNECTIONS, SECONDS, ROUNDS = 4, 3, 3
"""Few connections, so that a check waits for the server and not for other checks."""
TARGET = 2.0


def main() -> int:
    wrk.check_installed()
    allow_many_files()
    loads: dict[str, list[LoadResult]] = {"quiet": [], "dribbling": [], "silent": []}
    with BenchServers(QUICK, log) as servers:
        world = servers.empty()
        servers.serve(world)
        api_client.warm_checks(world, range(checks.WARM_CUSTOMERS), "sso")
        for _ in range(ROUNDS):
            loads["quiet"].append(_run_checks(world))
            with open_dribbling(world.port, DRIBBLING):
                loads["dribbling"].append(_run_checks(world))
            with open_idle(world.port, IDLE):
                loads["silent"].append(_run_checks(world))
    return _print_report(loads)


def _run_checks(world: BenchDatabase) -> LoadResult:
    return checks.check_in_process(world, SECONDS, connections=CONNECTIONS)


def _print_report(loads: dict[str, list[LoadResult]]) -> int:
    quiet = statistics.median(load.p99_ms for load in loads["quiet"])
    print(f"Load of the machine {os.getloadavg()[0]:.1f}; medians of {ROUNDS} rounds.")
    for name, rounds in loads.items():
        p99 = statistics.median(load.p99_ms for load in rounds)
        rate = statistics.median(load.per_second for load in rounds)
        mark = "" if p99 <= TARGET * quiet else " ✗"
        print(
            f"{name:10} p99 {p99:7.2f} ms, {p99 / quiet:5.2f} × quiet{mark}, {rate:7,.0f} checks/s"
        )
    return int(any(load.bad for rounds in loads.values() for load in rounds))


@contextmanager
def open_dribbling(port: int, count: int) -> Iterator[None]:
    """Connections with a body of 1 MB announced that send one byte per second."""
    head = (
        b"POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
    )
    stop = threading.Event()
    with open_idle(port, count, head) as sockets:
        thread = threading.Thread(target=_dribble, args=(sockets, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _dribble(sockets: Sequence[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(1):
        for one in sockets:
            try:
                one.sendall(b" ")
            except OSError:
                continue  # the server has ended it


@contextmanager
def open_idle(port: int, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections that have sent ``first`` and stay idle."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            one.sendall(first)
            sockets.append(one)
        yield sockets


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
