"""Closes the connections that have been idle longest when a process has too many.

granian accepts connections up to its ``--backpressure`` and then none. It closes silent connections
after its timeout for headers; until then 1,500 of them would lock everybody out. So this process
checks its own sockets and shuts down the oldest idle ones. Linux reports how long a socket has been
idle; on other systems nothing is closed here.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

log = structlog.get_logger(__name__)

SOCKETS = Path("/proc/self/fd")
TCP_INFO_SIZE = 60
LAST_DATA = struct.Struct("=44xI4xI")
"""From Linux's ``struct tcp_info``: milliseconds since data was last sent and last received."""
CHECK_INTERVAL_SECONDS = 0.25
TURN, PAUSE_SECONDS = 25, 0.001
"""Sockets that are looked at before requests may have the interpreter, and for how long they have
it: thousands at once would stop them for tens of milliseconds."""
ROOM = 10
"""One in ten of the limit is closed beyond the excess, so that not every check must close some."""
MAX_HELD_CLOSED = 100
"""Connections closed at one check whose requests were refused and wait for the answer. Who floods
comes back at once, and costs more then than while it waits."""

Item = TypeVar("Item")


class Connection(NamedTuple):
    """An accepted connection: our own handle on it, and its idle time."""

    socket: socket.socket
    idle_ms: int
    client: str


class Connections:
    """The accepted connections of this process.

    ``busy`` holds the clients, as ``address:port``, whose requests are being received or answered;
    their connections are never closed. ``held`` holds those whose requests were refused and are
    answered later.
    """

    def __init__(self, limit: int, busy: Collection[str], held: Collection[str] = ()) -> None:
        self._limit = limit
        self._busy = busy
        self._held = held
        self._stop = threading.Event()

    def start(self) -> None:
        """Check the connections periodically in a thread, if the system reports idle times."""
        if SOCKETS.is_dir() and hasattr(socket, "TCP_INFO"):
            threading.Thread(target=self._watch, name="connections", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def trim(self) -> int:
        """Close idle connections, oldest first, if there are too many; return their number."""
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
        idle = [connection for connection in connections if connection.client not in self._busy]
        idle.sort(key=lambda connection: connection.idle_ms, reverse=True)
        oldest = idle[:count]
        held = [connection for connection in oldest if connection.client in self._held]
        kept = {connection.client for connection in held[MAX_HELD_CLOSED:]}
        closed = [connection for connection in oldest if connection.client not in kept]
        for connection in closed:
            _shut_down(connection.socket)
        return len(closed)

    def _watch(self) -> None:
        while not self._stop.wait(CHECK_INTERVAL_SECONDS):
            try:
                closed = self.trim()
            except OSError as error:
                log.warning("connections_not_trimmed", error=str(error))
            else:
                if closed:
                    log.warning("idle_connections_closed", closed=closed, limit=self._limit)


def _accepted() -> Iterator[Connection]:
    """Connections to the ports on which this process listens."""
    sockets = list(_sockets())
    ports = {handle.getsockname()[1] for handle in sockets if _is_listening(handle)}
    for handle in _in_turns(sockets):
        connection = _connection(handle, ports)
        if connection is None:
            handle.close()
        else:
            yield connection


def _sockets() -> Iterator[socket.socket]:
    """Our own handle on every TCP socket of this process.

    The original file descriptor may be closed and reused at any time.
    """
    for name in _in_turns(os.listdir(SOCKETS)):  # noqa: PTH208
        try:
            descriptor = os.dup(int(name))
        except OSError:  # closed in the meantime
            continue
        try:
            handle = socket.socket(fileno=descriptor)
        except OSError:  # no socket
            os.close(descriptor)
            continue
        if handle.family in (socket.AF_INET, socket.AF_INET6) and handle.type == socket.SOCK_STREAM:
            yield handle
        else:
            handle.close()


def _in_turns(items: Iterable[Item]) -> Iterator[Item]:
    for number, item in enumerate(items, start=1):
        yield item
        if number % TURN == 0:
            time.sleep(PAUSE_SECONDS)


def _is_listening(handle: socket.socket) -> bool:
    return bool(handle.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _connection(handle: socket.socket, ports: Collection[int]) -> Connection | None:
    try:
        if handle.getsockname()[1] not in ports:
            return None
        host, port, *_ = handle.getpeername()
        information = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    except OSError:  # listening, or gone
        return None
    client = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Connection(handle, min(LAST_DATA.unpack_from(information)), client)


def _shut_down(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client closed it first
