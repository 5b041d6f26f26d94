"""Where a job goes: its URL, checked and taken apart."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from common.egress_rules import EgressRules, check_url, parse_url, port_of


class SendTarget(NamedTuple):
    """The part of a URL that a connection belongs to."""

    is_tls: bool
    host: str
    """In lower case; without the brackets of an IPv6 address."""
    port: int

    @property
    def server_name(self) -> str:
        """The name that the certificate must have."""
        return self.host.rstrip(".")

    @property
    def is_literal(self) -> bool:
        """Whether the host is an address."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


class RequestLine(NamedTuple):
    """A checked URL."""

    target: SendTarget
    authority: str
    """Value of the Host header."""
    path: str
    """With the query."""


@lru_cache(maxsize=4096)
def parse_request_line(url: str, rules: EgressRules) -> RequestLine:
    """Check the URL against the rules, without a name resolution. Raises EgressRefused."""
    parts = parse_url(url)
    check_url(parts, rules)
    target = SendTarget(parts.scheme == "https", parts.hostname or "", port_of(parts))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return RequestLine(target, parts.netloc, path)
