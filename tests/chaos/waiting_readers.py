"""Many readers of ``GET /events?wait=`` in one thread, and when each of them had its answer."""

import json
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from tests.server.web_server import head, request
from tests.waiting import PATIENCE, wait_until

FEED = "/api/v1/events"
SEPARATOR = b"\r\n\r\n"
QUIET_SECONDS = 0.3


@dataclass
class WaitingReader:
    """One connection, which asks again and again."""

    connection: socket.socket
    key: str
    cursor: str = ""
    ids: list[str] = field(default_factory=list)
    _received: bytes = b""

    def ask(self) -> None:
        query = f"wait=30&after={self.cursor}" if self.cursor else "wait=30"
        line = head("GET", f"{FEED}?{query}", Authorization=f"Bearer {self.key}")
        self._received = b""
        self.connection.sendall(line)

    def read(self) -> bool:
        """Read what is there; whether the answer is complete."""
        self._received += self.connection.recv(65536)
        headers, is_there, body = self._received.partition(SEPARATOR)
        if not is_there or len(body) < _length(headers):
            return False
        assert headers.startswith(b"HTTP/1.1 200"), self._received
        page: dict[str, Any] = json.loads(body)
        self.ids += [event["id"] for event in page["data"]]
        self.cursor = page["next"]
        return True


def _length(headers: bytes) -> int:
    fields = (line.partition(b":") for line in headers.lower().split(b"\r\n"))
    return next(int(value) for name, _, value in fields if name == b"content-length")


@contextmanager
def connected(port: int, keys: Sequence[str]) -> Iterator[list[WaitingReader]]:
    """A reader for each of the keys."""
    with ExitStack() as stack:
        yield [
            WaitingReader(
                stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)), key
            )
            for key in keys
        ]


def collect(readers: Sequence[WaitingReader], *, since: float) -> list[float]:
    """Wait for the answer of each; the seconds that each took, by :func:`now`."""
    seconds: list[float] = []
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.connection, selectors.EVENT_READ, reader)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            assert ready, f"{len(selector.get_map())} readers got no answer"
            for each, _ in ready:
                if each.data.read():
                    seconds.append(now() - since)
                    selector.unregister(each.fileobj)
    return seconds


def now() -> float:
    return time.perf_counter()


def wait_until_idle(process: psutil.Process) -> None:
    """Return when a process that has got requests has dealt with them: it needs no processor."""

    def is_idle() -> bool:
        before = sum(process.cpu_times()[:2])
        time.sleep(QUIET_SECONDS)
        return sum(process.cpu_times()[:2]) - before < QUIET_SECONDS / 10

    wait_until(is_idle, "The process never rests")


class Bystander:
    """Sends other requests, one after another; ``seconds``: how long each took."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self.seconds: list[float] = []

    def send(self, count: int) -> None:
        for _ in range(count):
            started = now()
            answer = request(self._port, "GET", FEED, Authorization=f"Bearer {self._key}")
            self.seconds.append(now() - started)
            assert answer.status == 200, answer.body
