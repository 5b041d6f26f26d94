"""The client's address and scheme behind reverse proxies.

Anybody can send ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239). They are used only if the
connected peer is one of ``TRUSTED_PROXIES``, and only the header that ``FORWARDED_HEADER`` names: a
proxy that writes one of them passes on the other as the client sent it.
"""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings

from common.conf import FORWARDED, Network

PEER = "tollgate.peer_address"
"""Key of the connected peer's address in the environ."""
CLAIMS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED")
"""Headers that are removed if the peer is not trusted."""
MAX_HOPS = 20
"""Entries of a header that are read, newest first."""
IPV6_SITE = 64
"""Bits of an IPv6 address that identify a network; the client chooses the other bits freely."""

Hop = tuple[str, str]
"""An address and its scheme; the scheme is empty if the header has none."""


def resolve(environ: dict[str, Any]) -> None:
    """Set ``REMOTE_ADDR`` to the client's address and ``HTTP_X_FORWARDED_PROTO`` to its scheme.

    Headers of an untrusted peer are removed. Repeated calls change nothing.
    """
    if PEER in environ:
        return
    peer = environ[PEER] = environ.get("REMOTE_ADDR", "")
    if not _is_trusted(peer, settings.PROXIES.trusted):
        for header in CLAIMS:
            environ.pop(header, None)
        return
    address, scheme = _client(environ, peer)
    environ["REMOTE_ADDR"] = address
    if settings.PROXIES.header == FORWARDED:
        environ["HTTP_X_FORWARDED_PROTO"] = scheme


@lru_cache(maxsize=4096)
def site_of(address: str) -> str:
    """The address to count attempts by: IPv4 as it is, IPv6 reduced to its /64 network.

    Text that is not an address stays as it is.
    """
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ip_network((parsed, IPV6_SITE), strict=False).network_address)


def _client(environ: dict[str, Any], peer: str) -> Hop:
    """The newest hop that is not a trusted proxy; the last trusted one if the next is not an
    address."""
    is_standard = settings.PROXIES.header == FORWARDED
    hops = _forwarded(environ) if is_standard else _x_forwarded_for(environ)
    hop: Hop = (peer, "")
    for text, scheme in hops:
        address = _without_port(text)
        if _parsed(address) is None:
            return hop
        hop = (str(_parsed(address)), scheme)
        if not _is_trusted(hop[0], settings.PROXIES.trusted):
            return hop
    return hop


def _x_forwarded_for(environ: dict[str, Any]) -> Iterator[Hop]:
    entries = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", MAX_HOPS)
    for entry in reversed(entries[-MAX_HOPS:]):
        yield entry.strip(), ""


def _forwarded(environ: dict[str, Any]) -> Iterator[Hop]:
    """RFC 7239: ``for="[2001:db8::1]:4711";proto=https, for=192.0.2.60``."""
    entries = environ.get("HTTP_FORWARDED", "").rsplit(",", MAX_HOPS)
    for entry in reversed(entries[-MAX_HOPS:]):
        pairs = (pair.partition("=") for pair in entry.split(";"))
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        yield parameters.get("for", ""), parameters.get("proto", "").lower()


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) becomes IPv4."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
