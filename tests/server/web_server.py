"""Run the product's web server on the test database, and open sockets to it."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from django.conf import settings
from django.db import connection

from devtools.processes import end, free_port
from devtools.stack.programs import web
from devtools.stack.readiness import serves
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def web_server(
    log: Path, *, command: Sequence[str] = (), port: int = 0, database_url: str = ""
) -> Iterator[int]:
    """Start the server that the stack starts; yield its port once all of its processes listen.

    It uses the test database unless there is a ``database_url``. A server that is stopped before
    loses the signal for the others, and has to be killed.
    """
    port = port or free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url or url_of_test_database(),
        "STRIPE_SECRET_KEY": settings.BILLING.stripe_secret_key,
        "STRIPE_WEBHOOK_SECRETS": ",".join(settings.BILLING.stripe_webhook_secrets),
    }
    arguments = list(command) or web(port)
    with log.open("wb") as out:
        process = psutil.Popen(
            arguments,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:

        def is_up() -> bool:
            assert process.poll() is None, log.read_text()
            return serves(port, "/live") and _do_all_listen(process, arguments, port)

        wait_until(is_up, log.read_text)
        yield port
    finally:
        end(process, patience=15)


def url_of_test_database() -> str:
    """The address of the database that this process tests on."""
    address = os.environ["DATABASE_URL"].rpartition("/")[0]
    return f"{address}/{connection.settings_dict['NAME']}"


def _do_all_listen(server: psutil.Process, arguments: Sequence[str], port: int) -> bool:
    """Whether there are as many processes as there should be, and each of them listens."""
    count = int(arguments[arguments.index("--workers") + 1])
    workers = server.children()
    listening = [
        worker
        for worker in workers
        if any(each.laddr.port == port for each in worker.net_connections("tcp"))
    ]
    return len(workers) == count and workers == listening


def request(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    seconds: float = 10,
    source: str = "127.0.0.1",
    **headers: str,
) -> Answer:
    """Send one request on a connection of its own, from this address of the machine, and read the
    whole answer."""
    server, caller = ("127.0.0.1", port), (source, 0)
    with socket.create_connection(server, timeout=seconds, source_address=caller) as one:
        one.sendall(head(method, path, length=len(body), **headers) + body)
        return answer(one)


def head(method: str, path: str, *, length: int = 0, **headers: str) -> bytes:
    """The head of a request; ``Stripe_Signature="…"`` becomes ``Stripe-Signature: …``."""
    lines = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(length),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode()


def answer(one: socket.socket) -> Answer:
    """Read one answer to its end."""
    with one.makefile("rb") as file:
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, file.read(int(headers.get("content-length", 0))))


@contextmanager
def open_sockets(port: int, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open so many connections, each of which sends ``first`` and then nothing."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            if first:
                one.sendall(first)
            sockets.append(one)
        yield sockets
