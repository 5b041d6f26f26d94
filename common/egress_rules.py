"""What may leave through the one door out: schemes, ports and addresses of tenants' URLs (R18).

Without Django, so that the sender's child process, which has no settings, keeps the same rules as
``common.egress``. A URL is checked twice: its text before the name is resolved, and all addresses
of the name before one of them is connected to.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from common.addresses import is_public

PORTS = frozenset({443, 8443})
LONGEST = 2000
"""Most characters of an address."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-_]{0,251}[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]{2,45}")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_PRIVATE_DOMAINS = (".localhost", ".local", ".internal", ".home.arpa")
"""RFC 6761, RFC 6762, RFC 8375, and ICANN's domain for private use."""


class EgressRefused(ValueError):
    """The address is not allowed; the message gives the reason and contains only parts of the
    address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRules:
    """What is allowed; the defaults are those of production.

    ``ports``: None allows any. ``networks``: allowed beside the public internet, for development
    and tests; an address counts as it is written, so that a network of IPv4 does not contain the
    IPv6 addresses that stand for its own.
    """

    allows_http: bool = False
    ports: frozenset[int] | None = PORTS
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def allow_address(self, address: str) -> bool:
        """Whether a connection to this address is allowed."""
        return is_public(address) or bool(self.networks and self._is_in_networks(address))

    def _is_in_networks(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(
            parsed in network for network in self.networks if network.version == parsed.version
        )


PUBLIC = EgressRules()
LOOPBACK = EgressRules(
    allows_http=True, ports=None, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128"))
)
"""For URLs of this machine, in development and tests."""


def parse_url(url: str) -> SplitResult:
    """The parts of a URL that names a host in an unambiguous way. Raises EgressRefused."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable():
        raise EgressRefused(f"Write the address in at most {LONGEST} printable ASCII characters.")
    if any(character in url for character in ' \\<>"`{}|^'):
        raise EgressRefused("The address holds a character that has to be percent-encoded.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", port_of(parts)
    except ValueError:
        raise EgressRefused("This is not an address.") from None
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        raise EgressRefused("Name a host, without a user name.")
    return parts


def check_url(parts: SplitResult, rules: EgressRules) -> None:
    """Check scheme, port and host, without a name resolution. Raises EgressRefused."""
    schemes = ("https", "http") if rules.allows_http else ("https",)
    if parts.scheme not in schemes or (
        rules.ports is not None and port_of(parts) not in rules.ports
    ):
        raise EgressRefused("Use https and port 443 or 8443.")
    if _is_surely_refused(parts.hostname or "", rules):
        raise EgressRefused("The address is not on the public internet.")


def check_addresses(host: str, addresses: Sequence[str], rules: EgressRules) -> None:
    """Check all addresses that a name has resolved to: one wrong one is enough to refuse it.
    Raises EgressRefused."""
    if not addresses or not all(rules.allow_address(address) for address in addresses):
        raise EgressRefused(f"{host} resolves to an address that is not on the public internet.")


def port_of(parts: SplitResult) -> int:
    """The port of the URL, or its scheme's. Raises ValueError."""
    return parts.port if parts.port is not None else 80 if parts.scheme == "http" else 443


def _is_surely_refused(host: str, rules: EgressRules) -> bool:
    """Whether an address is not allowed, or a name is in no public domain.

    If the last label is a number, the whole is an IPv4 address, also in unusual forms that a
    resolver accepts (``127.1``, ``0x7f000001``): only the usual form can be allowed. A name of a
    private domain can only resolve to an allowed network if there is one.
    """
    name = host.rstrip(".").lower()
    last = name.rpartition(".")[2]
    if ":" in name or _NUMBER.fullmatch(last):
        return not rules.allow_address(name)
    return not rules.networks and (last == name or name.endswith(_PRIVATE_DOMAINS))
