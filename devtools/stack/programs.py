"""The programs of the stack and their commands."""

import sys
from collections.abc import Mapping
from pathlib import Path

from devtools.embedded import CHECKOUT
from devtools.stack.program import Program
from devtools.stack.readiness import accepts, responds, serves, takes_tasks

WEB_WORKERS, WEB_THREADS = 2, 8
WEB_BACKLOG, WEB_CONNECTIONS = 2048, 4096
"""Connections that wait to be accepted, and that a process accepts. It closes the oldest idle ones
long before it has that many (``config.server.limits``)."""
HEAD_MS = 10_000
"""Milliseconds for the headers of a request."""
WORKER_PROCESSES = 2
SANDBOX_STATE = "sandbox.sqlite3"


def programs(
    *, var: Path, web_port: int, sandbox_port: int, rpc_port: int, environment: Mapping[str, str]
) -> list[Program]:
    """The Stripe sandbox, the web server, the Celery worker, beat, the sender of webhooks and the
    gRPC server, in the order of their start."""
    log = var / "log"
    return [
        Program(
            "sandbox",
            _sandbox(var, web_port, sandbox_port, environment),
            log / "sandbox.log",
            lambda: responds(sandbox_port),
        ),
        Program("web", web(web_port), log / "web.log", lambda: serves(web_port, "/ready")),
        Program(
            "worker", worker(), log / "worker.log", lambda: takes_tasks(environment["REDIS_URL"])
        ),
        Program("beat", _beat(), log / "beat.log", lambda: True),
        Program("deliver", _deliver(), log / "deliver.log", lambda: True),
        Program("rpc", rpc(rpc_port), log / "rpc.log", lambda: accepts(rpc_port)),
    ]


def _sandbox(var: Path, web_port: int, port: int, environment: Mapping[str, str]) -> list[str]:
    return [
        *_module("sandbox"),
        *("--port", str(port)),
        *("--state", str(var / SANDBOX_STATE)),
        *("--webhook-url", f"http://127.0.0.1:{web_port}/webhooks/stripe"),
        *("--webhook-secret", environment["STRIPE_WEBHOOK_SECRETS"]),
        *("--secret-key", environment["STRIPE_SECRET_KEY"]),
    ]


def web(port: int) -> list[str]:
    """The command of the web server."""
    return [
        *_module("config.serve"),
        *_granian(port, "rsgi"),
        # Only HTTP/1: granian's choice between 1 and 2 waits for a first byte without a time-out.
        *("--http", "1", "--no-ws", "--http1-header-read-timeout", str(HEAD_MS)),
        *("--backlog", str(WEB_BACKLOG), "--backpressure", str(WEB_CONNECTIONS)),
        "config.rsgi:application",
    ]


def rpc(port: int) -> list[str]:
    """The command of the gRPC server."""
    return [*_module("rpc"), "--address", f"127.0.0.1:{port}"]


def peer(port: int, application: str) -> list[str]:
    """The command of the same server with a WSGI application, for comparisons in benchmarks."""
    return [
        *_module("granian"),
        *_granian(port, "wsgi"),
        "--blocking-threads",
        str(WEB_THREADS),
        application,
    ]


def _granian(port: int, interface: str) -> list[str]:
    return [
        *("--interface", interface, "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(WEB_WORKERS), "--log-level", "warning"),
        "--respawn-failed-workers",
    ]


def worker() -> list[str]:
    """The command of the worker."""
    return [
        *_celery("worker"),
        *("--pool", "prefork", "--concurrency", str(WORKER_PROCESSES)),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]


def _beat() -> list[str]:
    return [
        *_celery("beat"),
        *("--pidfile", "", "--loglevel", "INFO"),
    ]


def _celery(program: str) -> list[str]:
    """Django's checks load the console and all views, which only web processes need."""
    return [*_module("celery"), "--skip-checks", "-A", "config", program]


def _deliver() -> list[str]:
    return [sys.executable, str(CHECKOUT / "manage.py"), "deliver"]


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]
