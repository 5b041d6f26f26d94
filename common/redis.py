"""Guarded access to Redis, which may fail at any time.

Every call is limited to 0.25 s. After a failure the breaker stays open for a few seconds, in which
calls fail at once: a frozen Redis delays one request per breaker period by 0.25 s, and no other.
Nothing in Redis is needed to rebuild data. ``attempt`` runs a function with redis-py's client.
``exchange`` is for the fast path: one round trip of raw commands on a connection of its own, at a
fifth of the client's cost.
"""

import os
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import finalize

import redis
import structlog
from django.conf import settings
from hiredis import Reader, pack_command
from redis.connection import SSLConnection, parse_url

log = structlog.get_logger(__name__)
T = TypeVar("T")

TIMEOUT = 0.25
"""Longest wait for Redis per call, in seconds."""
OPEN_FOR = 5.0
"""Seconds for which the breaker stays open after a failure."""


class Breaker:
    """Open for some seconds after a failure of a dependency."""

    def __init__(self, open_for: float = OPEN_FOR) -> None:
        self._open_for = open_for
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def trip(self) -> None:
        self._open_until = time.monotonic() + self._open_for

    def close(self) -> None:
        self._open_until = 0.0


class RedisConnection:
    """One connection with a socket of our own; hiredis parses the replies.

    The operating system limits each wait. With Python's own timeouts, every call would poll the
    socket first and release the interpreter lock each time.
    """

    def __init__(self, options: Mapping[str, Any], *, timeout: float = TIMEOUT) -> None:
        """``timeout``: longest wait for a reply, in seconds."""
        self._socket = _connect(options, timeout)
        finalize(self, self._socket.close)  # a connection may be dropped without close()
        self._reader = Reader(protocolError=redis.InvalidResponse, replyError=redis.ResponseError)
        try:
            self._log_in(options)
        except BaseException:
            self.close()
            raise

    def _log_in(self, options: Mapping[str, Any]) -> None:
        """Raise redis-py's ConnectionError if the password or the database is refused."""
        commands: list[tuple[str | bytes | int, ...]] = []
        if options.get("password"):
            user = (options["username"],) if options.get("username") else ()
            commands.append(("AUTH", *user, options["password"]))
        if options.get("db"):
            commands.append(("SELECT", options["db"]))
        packed = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
        for reply in self.exchange(packed, len(commands)):
            if isinstance(reply, redis.ResponseError):
                raise redis.ConnectionError(str(reply))

    def exchange(self, packed: bytes, replies: int) -> list[Any]:
        """The replies in order. Raises OSError if the server is gone or silent; the connection is
        then unusable."""
        self.send(packed)
        return self.receive(replies)

    def send(self, packed: bytes) -> None:
        """Send commands whose replies are received later. Raises OSError like ``exchange``."""
        try:
            self._socket.sendall(packed)
        except BlockingIOError as silence:
            raise TimeoutError("Redis did not answer in time.") from silence

    def receive(self, replies: int) -> list[Any]:
        """The next replies. Raises OSError like ``exchange``."""
        try:
            return [self._reply() for _ in range(replies)]
        except BlockingIOError as silence:
            raise TimeoutError("Redis did not answer in time.") from silence

    def close(self) -> None:
        self._socket.close()

    def _reply(self) -> Any:
        while (
            reply := self._reader.gets()
        ) is False:  # incomplete; a complete reply is never False
            received = self._socket.recv(_RECEIVE_BYTES)
            if not received:
                raise ConnectionResetError("The server has closed the connection.")
            self._reader.feed(received)
        return reply


class RedisConnections:
    """Connections to one server: a caller takes an idle one or opens another.

    A connection becomes idle again only after all replies have been read, so no caller gets the
    reply to another caller's command.
    """

    def __init__(self, url: str) -> None:
        self._options: Mapping[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
        self._idle: deque[RedisConnection] = deque()

    def exchange(self, packed: bytes, replies: int) -> list[Any]:
        """The replies in order; the reply to a refused command is a ResponseError."""
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._on(self._new(), packed, replies)
        try:
            return self._on(connection, packed, replies)
        except ConnectionError:  # the server closed it, as in a restart
            self._idle.clear()
            return self._on(self._new(), packed, replies)

    def _new(self) -> RedisConnection:
        return RedisConnection(self._options)

    def _on(self, connection: RedisConnection, packed: bytes, replies: int) -> list[Any]:
        try:
            answers = connection.exchange(packed, replies)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answers

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def forget(self) -> None:
        """Leave the connections to the parent process after a fork."""
        self._idle.clear()


def _connect(options: Mapping[str, Any], timeout: float) -> socket.socket:
    """A socket to the server with these options of redis-py's :func:`parse_url`, whose waits last
    ``timeout`` seconds at most."""
    if "path" in options:
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(TIMEOUT)
        with _closed_on_error(connected):
            connected.connect(options["path"])
    else:
        host, port = options.get("host", "localhost"), options.get("port", 6379)
        connected = socket.create_connection((host, port), timeout=TIMEOUT)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.get("connection_class") is SSLConnection:
            with _closed_on_error(connected):
                connected = _encrypt(connected, host, options)
    connected.settimeout(None)
    limit = struct.pack("ll", int(timeout), round(timeout % 1 * 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connected.setsockopt(socket.SOL_SOCKET, option, limit)
    return connected


@contextmanager
def _closed_on_error(opened: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        opened.close()
        raise


def _encrypt(plain: socket.socket, host: str, options: Mapping[str, Any]) -> ssl.SSLSocket:
    """Wrap the socket in TLS, with the options of the URL.

    ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``, and ``ssl_cert_reqs=none`` for a server
    whose certificate is not verified.
    """
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context.wrap_socket(plain, server_hostname=host)


_RECEIVE_BYTES = 65536
_BOUNDED: dict[str, Any] = {
    "protocol": 2,
    "retry": None,
    "health_check_interval": 0,
}
breaker = Breaker()
_lock = threading.Lock()
_clients: dict[tuple[str, float], redis.Redis] = {}
_connections_by_url: dict[str, RedisConnections] = {}


def client(timeout: float = TIMEOUT) -> redis.Redis:
    """The process-wide client of ``REDIS_URL``: thread-safe, with limited waits and no retries."""
    key = settings.REDIS_URL, timeout
    with _lock:
        if key not in _clients:
            options = {**_BOUNDED, "socket_timeout": timeout, "socket_connect_timeout": timeout}
            _clients[key] = redis.Redis.from_url(key[0], decode_responses=True, **options)
        return _clients[key]


def attempt(call: Callable[[redis.Redis], T], *, fallback: T) -> T:
    """The result of the call, or ``fallback`` while Redis is away."""
    if breaker.is_open:
        return fallback
    try:
        return call(client())
    except (redis.RedisError, OSError) as error:
        _record_failure(error)
        return fallback


def ask_patiently(call: Callable[[redis.Redis], T], *, patience: float) -> T | None:
    """The result of the call, for which somebody waits who needs it and nothing else; None if Redis
    does not answer within ``patience`` seconds. The breaker neither stops it nor is opened."""
    try:
        return call(client(patience))
    except (redis.RedisError, OSError) as error:
        log.warning("redis_unavailable", error=type(error).__name__)
        return None


def exchange(*commands: tuple[str | bytes | int, ...]) -> list[Any]:
    """Replies to these commands in one round trip, texts as bytes; [] if Redis is away.

    After a broken connection the commands are sent again on a new one: send only repeatable
    commands.
    """
    if breaker.is_open or not commands:
        return []
    packed = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
    connections = _connections_by_url.get(settings.REDIS_URL) or _new_connections(
        settings.REDIS_URL
    )
    try:
        return connections.exchange(packed, len(commands))
    except (redis.RedisError, OSError) as error:
        _record_failure(error)
        return []


def ping() -> bool:
    """Whether Redis answers now, regardless of the breaker."""
    try:
        return bool(client().ping())
    except (redis.RedisError, OSError):
        return False


def _record_failure(error: Exception) -> None:
    breaker.trip()
    log.warning("redis_unavailable", error=type(error).__name__)


def _new_connections(url: str) -> RedisConnections:
    with _lock:
        return _connections_by_url.setdefault(url, RedisConnections(url))


def _after_fork() -> None:
    """Replace the lock: a thread of the parent may have held it."""
    global _lock
    _lock = threading.Lock()
    for connections in _connections_by_url.values():
        connections.forget()


os.register_at_fork(after_in_child=_after_fork)

__all__ = ["Breaker", "ask_patiently", "attempt", "breaker", "client", "exchange", "ping"]
