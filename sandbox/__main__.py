"""``python -m sandbox``: the sandbox as a process of its own."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.app import SandboxApplication
from sandbox.clock_worker import ClockWorker
from sandbox.delivery_worker import DeliveryWorker
from sandbox.rate_limit import TEST_MODE_PER_SECOND
from sandbox.resources import webhook_endpoints
from sandbox.world import DEFAULT_SECRET_KEY, World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class QuietHandler(WSGIRequestHandler):
    """Keep connections open between requests and write no access log."""

    protocol_version = "HTTP/1.1"

    def connection_dropped(
        self, error: BaseException, environ: WSGIEnvironment | None = None
    ) -> None:
        """Close the connection without a log entry: a planned fault has broken it."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log(self, level: str, message: str, *args: object) -> None:
        logging.getLogger("sandbox").debug(message, *args)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Every request's changes are on disk before its response."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(levelname)s %(message)s")
    world = World(
        path=options.state,
        frozen_at=int(time.time()) if options.frozen else None,
        secret_key=options.secret_key,
        requests_per_second=options.requests_per_second,
    )
    if options.webhook_url:
        with world.transaction() as tx:
            webhook_endpoints.register_endpoint(
                tx,
                url=options.webhook_url,
                secret=options.webhook_secret,
                name="command line",
            )
    _serve(world, options.host, options.port, options.public_url)
    world.close()
    return 0


def _serve(world: World, host: str, port: int, public_url: str | None) -> None:
    server = make_server(
        host, port, SandboxApplication(world), threaded=True, request_handler=QuietHandler
    )
    address = f"http://{host}:{server.port}"
    world.base_url = public_url or address

    def stop(signum: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    delivery_worker, clock_worker = DeliveryWorker(world), ClockWorker(world)
    delivery_worker.start()
    clock_worker.start()
    sys.stdout.write(f"Stripe sandbox listening on {address}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.1)
    clock_worker.stop()
    delivery_worker.stop()
    server.server_close()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A local Stripe that keeps state."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument(
        "--state", type=Path, help="SQLite file of the state; without it the state is lost at exit"
    )
    parser.add_argument("--public-url", help="URL of this process for browsers")
    parser.add_argument("--webhook-url", help="register this endpoint for all events")
    parser.add_argument("--webhook-secret", help="the endpoint's signing secret (whsec_…)")
    parser.add_argument("--secret-key", default=DEFAULT_SECRET_KEY)
    parser.add_argument(
        "--requests-per-second",
        type=int,
        default=0,
        help=f"limit per account before 429; Stripe: {TEST_MODE_PER_SECOND}, 0: no limit",
    )
    parser.add_argument(
        "--frozen", action="store_true", help="the clock moves only when it is advanced"
    )
    options = parser.parse_args(arguments)
    if bool(options.webhook_url) != bool(options.webhook_secret):
        parser.error("--webhook-url and --webhook-secret go together")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
