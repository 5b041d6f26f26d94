"""The only HTTP client for addresses that tenants give us (docs/rules.md, R18).

A name is resolved once, all of its addresses are checked against an explicit list, and the
connection goes to a checked address, so a different second resolution has no effect. Redirects are
not followed, proxies are not used, the size of the answer is limited, and a deadline closes the
connection during handshake, headers or body. The deadline needs the bare socket, so this uses the
standard library's HTTP client; no other module may use HTTP (``banned-api`` in pyproject.toml).
"""

import http.client
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from common.addresses import is_loopback, is_public

PORTS = frozenset({443, 8443})
CONNECT = 3.0
"""Seconds for the connection."""
TOTAL = 15.0
"""Seconds for everything, from the resolution to the last byte."""
MOST = 64 * 1024
"""Most bytes of an answer that are read."""
LONGEST = 2000
"""Most characters of an address."""
AGENT = "Tollgate/1"

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-_]{0,251}[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]{2,45}")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_PRIVATE_DOMAINS = (".localhost", ".local", ".internal", ".home.arpa")
"""RFC 6761, RFC 6762, RFC 8375, and ICANN's domain for private use."""
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class EgressRefused(ValueError):
    """The address is not allowed; the message gives the reason and contains only parts of the
    address."""


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
    if len(url) > LONGEST or not url.isascii() or not url.isprintable():
        raise EgressRefused(f"Write the address in at most {LONGEST} printable ASCII characters.")
    if any(character in url for character in ' \\<>"`{}|^'):
        raise EgressRefused("The address holds a character that has to be percent-encoded.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", _port(parts)
    except ValueError:
        raise EgressRefused("This is not an address.") from None
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        raise EgressRefused("Name a host, without a user name.")
    if settings.EGRESS.loopback and host in _LOCAL_NAMES and parts.scheme in ("http", "https"):
        return parts
    if parts.scheme != "https" or port not in PORTS:
        raise EgressRefused("Use https and port 443 or 8443.")
    if _is_surely_private(host):
        raise EgressRefused("The address is not on the public internet.")
    return parts


def _is_surely_private(host: str) -> bool:
    """Whether an address is not public, or a name is in no public domain.

    If the last label is a number, the whole is an IPv4 address, also in unusual forms that a
    resolver accepts (``127.1``, ``0x7f000001``): only the usual form can be public.
    """
    name = host.rstrip(".").lower()
    last = name.rpartition(".")[2]
    if ":" in name or _NUMBER.fullmatch(last):
        return not is_public(name)
    return last == name or name.endswith(_PRIVATE_DOMAINS)


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else 80 if parts.scheme == "http" else 443


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
        results = socket.getaddrinfo(host, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressFailed(f"{host}: the name is not known") from error
    addresses = list(dict.fromkeys(str(result[4][0]) for result in results))
    is_local = settings.EGRESS.loopback and host in _LOCAL_NAMES
    if not addresses or not all(
        is_public(address) or (is_local and is_loopback(address)) for address in addresses
    ):
        raise EgressRefused(f"{host} resolves to an address that is not on the public internet.")
    return addresses


@contextmanager
def _connected(
    parts: SplitResult, addresses: list[str], deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """A connection that is closed at the deadline in any state."""
    host = parts.hostname or ""
    sock = _connect(addresses, _port(parts), deadline)
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
