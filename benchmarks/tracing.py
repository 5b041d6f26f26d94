"""``python -m benchmarks.tracing``: what traces cost, off and on, as CPU time of one process.

The product's application is called in one process, in turns without traces, with the default share
of them, and with all. A turn ends when its spans are sent, to a collector in another process. Turns
are short, so that other programs of the machine disturb all alike; the ratios of neighbouring turns
are compared, and their median is printed. ``--turns``.
"""

import argparse
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks import api_client
from benchmarks.bench_servers import VAR, BenchServers
from benchmarks.measures import checks
from benchmarks.sizes import QUICK
from devtools.embedded import CHECKOUT

KEY = "BENCH_KEY"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--turns", type=int, default=25)
    options = parser.parse_args()
    with _collector() as endpoint, BenchServers(QUICK, log) as servers:
        world = servers.empty()
        servers.serve(world)
        api_client.warm_checks(world, range(checks.WARM_CUSTOMERS), "sso")
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, KEY: world.shop.key}
        with (VAR / "log" / "tracing.log").open("wb") as lines:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.measures.traced_calls", str(options.turns)],
                cwd=CHECKOUT,
                env={**world.environment, **variables},
                stdout=subprocess.PIPE,
                stderr=lines,
                check=True,
            )
    print(done.stdout.decode(), end="")
    return 0


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


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
