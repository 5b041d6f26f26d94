"""The one door out to addresses that tenants give us (docs/rules.md, R18).

A name is resolved once, every address it stands for is checked against an explicit list, and the
connection goes to a checked address under the original name, so a name that changes its mind
between two look-ups changes nothing. No redirect is followed, no proxy is asked, little is read,
and a deadline cuts the connection however slowly the other side drips: in its TLS handshake, its
headers or its body. That needs the bare socket, so this is the standard library's HTTP; no other
module may speak HTTP at all (``banned-api`` in pyproject.toml).
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
"""Seconds until a connection stands."""
TOTAL = 15.0
"""Seconds for everything, from the name to the last byte."""
MOST = 64 * 1024
"""Bytes of an answer that are read."""
LONGEST = 2000
"""Characters of an address."""
AGENT = "Tollgate/1"

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-_]{0,251}[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]{2,45}")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_PRIVATE_DOMAINS = (".localhost", ".local", ".internal", ".home.arpa")
"""RFC 6761, RFC 6762, RFC 8375, and the one that ICANN keeps for private use."""
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class EgressRefused(ValueError):
    """We do not go there; the message says why and names nothing but the address's own parts."""


class EgressFailed(OSError):
    """There was no answer, or none in time."""


@dataclass(frozen=True, slots=True)
class EgressResponse:
    """The response to a request of ours. ``is_cut``: the body was longer than we read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool


def get(
    url: str, *, headers: Mapping[str, str] | None = None, total: float = TOTAL
) -> EgressResponse:
    """Fetch the address. Raises EgressRefused and EgressFailed."""
    return _ask("GET", url, None, headers or {}, total)


def post(
    url: str, body: bytes, *, headers: Mapping[str, str] | None = None, total: float = TOTAL
) -> EgressResponse:
    """Send these bytes to the address, once. Raises EgressRefused and EgressFailed."""
    return _ask("POST", url, body, headers or {}, total)


def check(url: str) -> SplitResult:
    """The parts of an address that may be asked, as far as that can be told without a look-up.

    Raises EgressRefused.
    """
    if len(url) > LONGEST or not url.isascii() or not url.isprintable():
        raise EgressRefused(f"Write the address in at most {LONGEST} printable ASCII characters.")
    if any(each in url for each in ' \\<>"`{}|^'):
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
    """What needs no look-up to tell: an address that is not public, or a name of no public domain.

    A last label that is a number makes the whole an IPv4 address, in forms that a resolver takes
    and nobody means (``127.1``, ``0x7f000001``): only the usual one may be public.
    """
    name = host.rstrip(".").lower()
    last = name.rpartition(".")[2]
    if ":" in name or _NUMBER.fullmatch(last):
        return not is_public(name)
    return last == name or name.endswith(_PRIVATE_DOMAINS)


def _port(parts: SplitResult) -> int:
    return parts.port if parts.port is not None else 80 if parts.scheme == "http" else 443


def _ask(
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
        late = time.monotonic() >= deadline
        said = "no complete answer in time" if late else type(error).__name__
        raise EgressFailed(f"{parts.hostname}: {said}") from error


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
    """Every address of the host, all of them checked. Raises EgressRefused and EgressFailed."""
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressFailed(f"{host}: the name is not known") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    local = settings.EGRESS.loopback and host in _LOCAL_NAMES
    if not addresses or not all(
        is_public(each) or (local and is_loopback(each)) for each in addresses
    ):
        raise EgressRefused(f"{host} does not stand for the public internet alone.")
    return addresses


@contextmanager
def _connected(
    parts: SplitResult, addresses: list[str], deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """A connection that ends at the deadline, whatever it is doing then."""
    host = parts.hostname or ""
    bare = _connect(addresses, _port(parts), deadline)
    cord = bare.dup()  # wrapping takes the socket away; this handle stays
    cutter = Timer(max(deadline - time.monotonic(), 0), _cut, [cord])
    cutter.daemon = True
    cutter.start()
    connection = http.client.HTTPConnection(host)
    try:
        connection.sock = bare
        bare.settimeout(max(deadline - time.monotonic(), 0.001))
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(bare, server_hostname=host)
        yield connection
    finally:
        cutter.cancel()
        connection.close()
        cord.close()


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    """To the first address that answers. Raises OSError."""
    give_up = min(time.monotonic() + CONNECT, deadline)
    trouble: OSError = TimeoutError()
    for address in addresses:
        left = give_up - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=left)
        except OSError as error:
            trouble = error
    raise trouble


def _cut(cord: socket.socket) -> None:
    with suppress(OSError):
        cord.shutdown(socket.SHUT_RDWR)
