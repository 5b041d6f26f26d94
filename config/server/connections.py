"""Closes the connections that have been idle for longest when a process has too many.

granian accepts connections up to its ``--backpressure`` and then accepts nobody. It ends a silent
connection after its time-out for heads; until then 1,500 of them would lock everybody out. So this
process looks at its own sockets, by the operating system, and shuts down the oldest idle ones.
Linux tells how long a socket has been idle; elsewhere nothing is closed here.
"""

import os
import socket
import struct
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

SOCKETS = Path("/proc/self/fd")
TCP_INFO_SIZE = 60
LAST_DATA = struct.Struct("=44xI4xI")
"""Of Linux's ``struct tcp_info``: milliseconds since data was sent last, and was received last."""
LOOK_EVERY_SECONDS = 0.25
ROOM = 10
"""Beyond the excess, one in ten of the limit is closed, so that not each look has to close some."""


class Connection(NamedTuple):
    """An accepted connection: a handle of our own on it, and for how long nothing was sent."""

    socket: socket.socket
    idle_ms: int
    client: str


class Connections:
    """The accepted connections of this process. ``busy`` holds the clients, as ``address:port``,
    whose requests are being received or answered: they are never closed."""

    def __init__(self, limit: int, busy: Collection[str]) -> None:
        self._limit = limit
        self._busy = busy
        self._stop = threading.Event()

    def start(self) -> None:
        """Look at them again and again, in a thread of their own, where the system can tell."""
        if SOCKETS.is_dir() and hasattr(socket, "TCP_INFO"):
            threading.Thread(target=self._watch, name="connections", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def trim(self) -> int:
        """Close idle connections, the oldest first, when there are too many; return how many."""
        if len(os.listdir(SOCKETS)) <= self._limit:  # noqa: PTH208  # no paths are made of them
            return 0
        connections = list(_accepted())
        try:
            excess = len(connections) - self._limit
            return self._close(connections, excess) if excess > 0 else 0
        finally:
            for connection in connections:
                connection.socket.close()

    def _close(self, connections: list[Connection], excess: int) -> int:
        count = excess + self._limit // ROOM
        idle = [one for one in connections if one.client not in self._busy]
        idle.sort(key=lambda one: one.idle_ms, reverse=True)
        for connection in idle[:count]:
            _shut_down(connection.socket)
        return len(idle[:count])

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_SECONDS):
            try:
                closed = self.trim()
            except OSError as error:
                log.warning("connections_not_trimmed", error=str(error))
            else:
                if closed:
                    log.warning("idle_connections_closed", closed=closed, limit=self._limit)


def _accepted() -> Iterator[Connection]:
    """The connections to the ports on which this process listens."""
    sockets = list(_sockets())
    ports = {one.getsockname()[1] for one in sockets if _is_listening(one)}
    for one in sockets:
        connection = _connection(one, ports)
        if connection is None:
            one.close()
        else:
            yield connection


def _sockets() -> Iterator[socket.socket]:
    """A handle of our own on every TCP socket of this process: the number of another's may be
    closed and given to something else at any time."""
    for name in os.listdir(SOCKETS):  # noqa: PTH208
        try:
            handle = os.dup(int(name))
        except OSError:  # closed in the meantime
            continue
        try:
            found = socket.socket(fileno=handle)
        except OSError:  # no socket
            os.close(handle)
            continue
        if found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM:
            yield found
        else:
            found.close()


def _is_listening(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _connection(one: socket.socket, ports: Collection[int]) -> Connection | None:
    try:
        if one.getsockname()[1] not in ports:
            return None
        host, port, *_ = one.getpeername()
        information = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    except OSError:  # listening, or gone
        return None
    client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Connection(one, min(LAST_DATA.unpack_from(information)), client)


def _shut_down(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # its other side was faster
