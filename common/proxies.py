"""The client's address and scheme behind reverse proxies.

Anybody can send ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239). They are read only when the peer
that connected is one of ``TRUSTED_PROXIES``, and of both only the one that ``FORWARDED_HEADER``
names: a proxy that writes one of them passes on the other as the client sent it.
"""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings

from common.conf import FORWARDED, Network

PEER = "tollgate.peer_address"
"""Where the address of the peer that connected is kept in the environ."""
CLAIMS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED")
"""What an untrusted peer may say about itself: nothing."""
MAX_HOPS = 20
"""Entries of a header that are read, the newest first: more proxies in a row nobody has."""
IPV6_SITE = 64
"""Bits of an IPv6 address that name a customer's network; the rest they choose as they like."""

Hop = tuple[str, str]
"""An address and the scheme by which it came; the scheme is empty where the header has none."""


def resolve(environ: dict[str, Any]) -> None:
    """Put the client's address into ``REMOTE_ADDR``, and its scheme into
    ``HTTP_X_FORWARDED_PROTO``, where Django looks for them.

    What an untrusted peer claims is removed. Resolving twice is the same as once.
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


def site_of(address: str) -> str:
    """What to count attempts by: an IPv4 address; of IPv6 the first address of its /64 network.

    Text that is no address stays as it is.
    """
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ip_network((parsed, IPV6_SITE), strict=False).network_address)


def _client(environ: dict[str, Any], peer: str) -> Hop:
    """The newest hop that is no trusted proxy; the last trusted one if the rest is illegible."""
    is_standard = settings.PROXIES.header == FORWARDED
    hops = _forwarded(environ) if is_standard else _x_forwarded_for(environ)
    found: Hop = (peer, "")
    for text, scheme in hops:
        address = _without_port(text)
        if _parsed(address) is None:
            return found
        found = (str(_parsed(address)), scheme)
        if not _is_trusted(found[0], settings.PROXIES.trusted):
            return found
    return found


def _x_forwarded_for(environ: dict[str, Any]) -> Iterator[Hop]:
    entries = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", MAX_HOPS)
    for entry in reversed(entries[-MAX_HOPS:]):
        yield entry.strip(), ""


def _forwarded(environ: dict[str, Any]) -> Iterator[Hop]:
    """RFC 7239: ``for="[2001:db8::1]:4711";proto=https, for=192.0.2.60``."""
    entries = environ.get("HTTP_FORWARDED", "").rsplit(",", MAX_HOPS)
    for entry in reversed(entries[-MAX_HOPS:]):
        pairs = (pair.partition("=") for pair in entry.split(";"))
        said = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        yield said.get("for", ""), said.get("proto", "").lower()


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that IPv6 carries (``::ffff:192.0.2.1``) is that IPv4 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
