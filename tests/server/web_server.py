"""Run the product's web server on the test database, and open sockets to it."""

import json
import os
import socket
import subprocess
import time
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

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def web_server(log: Path, *, command: Sequence[str] = (), port: int = 0) -> Iterator[int]:
    """Start the server that the stack starts; yield its port."""
    port = port or free_port()
    address = os.environ["DATABASE_URL"].rpartition("/")[0]
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ,
        "DATABASE_URL": f"{address}/{name}",
        "STRIPE_SECRET_KEY": settings.BILLING.stripe_secret_key,
        "STRIPE_WEBHOOK_SECRETS": ",".join(settings.BILLING.stripe_webhook_secrets),
    }
    with log.open("wb") as out:
        process = psutil.Popen(
            list(command) or web(port),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not serves(port, "/live"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield port
    finally:
        end(process, patience=15)


def request(
    port: int, method: str, path: str, body: bytes = b"", *, seconds: float = 10, **headers: str
) -> Answer:
    """Send one request on a connection of its own and read the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as one:
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
