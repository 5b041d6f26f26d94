"""The only HTTP client for addresses that tenants give us (docs/rules.md, R18).

A name is resolved once, all of its addresses are checked against an explicit list, and the
connection goes to a checked address, so a different second resolution has no effect. Redirects are
not followed, proxies are not used, the size of the answer is limited, and a deadline closes the
connection during handshake, headers or body. The deadline needs the bare socket, so this uses the
standard library's HTTP client; no other module may use HTTP (``banned-api`` in pyproject.toml).
"""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from urllib.parse import SplitResult

from django.conf import settings

from common.egress_rules import (
    LOOPBACK,
    PUBLIC,
    EgressRules,
    check_addresses,
    check_url,
    parse_url,
    port_of,
)

CONNECT = 3.0
"""Seconds for the connection."""
TOTAL = 15.0
"""Seconds for everything, from the resolution to the last byte."""
MOST = 64 * 1024
"""Most bytes of an answer that are read."""
AGENT = "Tollgate/1"

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class EgressFailed(OSError):
    """There was no complete answer in time."""


@dataclass(frozen=True, slots=True)
class EgressResponse:
    """A response. ``is_cut``: the body was longer than ``MOST``."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool


def get(
    url: str, *, headers: Mapping[str, str] | None = None, total: float = TOTAL
) -> EgressResponse:
    """Fetch the address. Raises EgressRefused and EgressFailed."""
    return _send("GET", url, None, headers or {}, total)


def post(
    url: str, body: bytes, *, headers: Mapping[str, str] | None = None, total: float = TOTAL
) -> EgressResponse:
    """Send the body to the address once. Raises EgressRefused and EgressFailed."""
    return _send("POST", url, body, headers or {}, total)


def check(url: str) -> SplitResult:
    """The parts of an allowed address, checked without a name resolution. Raises EgressRefused."""
    parts = parse_url(url)
    check_url(parts, _rules(parts))
    return parts


def _rules(parts: SplitResult) -> EgressRules:
    return LOOPBACK if settings.EGRESS.loopback and parts.hostname in _LOCAL_NAMES else PUBLIC


def _send(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], total: float
) -> EgressResponse:
    deadline = time.monotonic() + total
    parts = check(url)
    addresses = _resolve(parts)
    try:
        with _connected(parts, addresses, deadline) as connection:
            connection.request(
                method,
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                body=body,
                headers={
                    **headers,
                    "Host": parts.netloc,
                    "User-Agent": AGENT,
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                },
            )
            answer = _response(connection.getresponse())
            if time.monotonic() >= deadline:  # what was cut off can look complete
                raise TimeoutError
            return answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        is_late = time.monotonic() >= deadline
        reason = "no complete answer in time" if is_late else type(error).__name__
        raise EgressFailed(f"{parts.hostname}: {reason}") from error


def _response(response: http.client.HTTPResponse) -> EgressResponse:
    body = response.read(MOST + 1)
    if response.length and len(body) <= MOST:
        raise http.client.IncompleteRead(body)
    return EgressResponse(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        body=body[:MOST],
        is_cut=len(body) > MOST,
    )


def _resolve(parts: SplitResult) -> list[str]:
    """All addresses of the host, all of them checked. Raises EgressRefused and EgressFailed."""
    host = parts.hostname or ""
    try:
        results = socket.getaddrinfo(host, port_of(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressFailed(f"{host}: the name is not known") from error
    addresses = list(dict.fromkeys(str(result[4][0]) for result in results))
    check_addresses(host, addresses, _rules(parts))
    return addresses


@contextmanager
def _connected(
    parts: SplitResult, addresses: list[str], deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """A connection that is closed at the deadline in any state."""
    host = parts.hostname or ""
    sock = _connect(addresses, port_of(parts), deadline)
    handle = sock.dup()  # wrapping takes the socket away; this handle stays
    timer = Timer(max(deadline - time.monotonic(), 0), _cut, [handle])
    timer.daemon = True
    timer.start()
    connection = http.client.HTTPConnection(host)
    try:
        connection.sock = sock
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(sock, server_hostname=host)
        yield connection
    finally:
        timer.cancel()
        connection.close()
        handle.close()


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers. Raises OSError."""
    connect_deadline = min(time.monotonic() + CONNECT, deadline)
    last_error: OSError = TimeoutError()
    for address in addresses:
        remaining = connect_deadline - time.monotonic()
        if remaining <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=remaining)
        except OSError as error:
            last_error = error
    raise last_error


def _cut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)
