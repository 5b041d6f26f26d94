"""Receivers of webhooks on this machine, correct and hostile, and what they received."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behaviour = Callable[[socket.socket], None]
"""Answers one request; the connection stays open unless it closes it."""


@dataclass
class ReceivedRequest:
    """``connection`` counts from 0."""

    connection: int
    line: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Receiver:
    """``answers``: what is done with the first, second, … request; the last one is repeated."""

    port: int = 0
    answers: Sequence[bytes | Behaviour] = (OK,)
    requests: list[ReceivedRequest] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    """Connections that the sender has closed."""
    _open: set[socket.socket] = field(default_factory=set)

    def url(self, path: str = "/hook", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def serve(self, connection: socket.socket, number: int) -> None:
        self._open.add(connection)
        with connection, suppress(OSError), connection.makefile("rb") as stream:
            while request := _read_request(stream, number):
                self.requests.append(request)
                answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)
        self._open.discard(connection)
        self.closed += 1

    def close(self) -> None:
        """End the connections that are still open, and the threads that wait for them."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _read_request(stream: BinaryIO, number: int) -> ReceivedRequest | None:
    lines = []
    while (line := stream.readline()) not in (b"", b"\r\n"):
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    if not lines:
        return None
    headers = [
        (name, value.strip()) for name, _, value in (each.partition(":") for each in lines[1:])
    ]
    size = int({name.lower(): value for name, value in headers}.get("content-length", 0))
    body = stream.read(size)
    return ReceivedRequest(number, lines[0], headers, body)


@contextmanager
def receiving(
    *answers: bytes | Behaviour, certificate: Path | None = None, host: str = "127.0.0.1"
) -> Iterator[Receiver]:
    """A receiver with these answers; by TLS with a certificate."""
    receiver = Receiver(answers=answers or (OK,))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=600) as listener:
        receiver.port = listener.getsockname()[1]
        threading.Thread(
            target=_accept, args=(listener, receiver, _context(certificate)), daemon=True
        ).start()
        try:
            yield receiver
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            receiver.close()


def _context(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _accept(listener: socket.socket, receiver: Receiver, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        number, receiver.connections = receiver.connections, receiver.connections + 1
        threading.Thread(
            target=_serve, args=(receiver, connection, number, context), daemon=True
        ).start()


def _serve(
    receiver: Receiver, connection: socket.socket, number: int, context: ssl.SSLContext | None
) -> None:
    with suppress(OSError):
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        receiver.serve(connection, number)


def close(connection: socket.socket) -> None:
    """Close without an answer."""
    connection.shutdown(socket.SHUT_RDWR)


def hang(connection: socket.socket) -> None:
    """Wait until the sender closes the connection."""
    while connection.recv(65536):
        pass
