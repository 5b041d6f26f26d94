"""What a child may do beyond the rules of production; passed on its command line."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderOptions:
    """The defaults are those of production.

    ``networks``: allowed beside the public internet, for development and tests. ``allows_resolve``:
    jobs may name the addresses of hosts themselves, for tests. ``ca_file``: trusted certificates in
    place of the system's.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    allows_resolve: bool = False
    ca_file: str | None = None

    def to_text(self) -> str:
        return orjson.dumps(
            {
                "networks": [str(network) for network in self.networks],
                "resolve": self.allows_resolve,
                "ca_file": self.ca_file,
            }
        ).decode()

    @classmethod
    def from_text(cls, text: str) -> "SenderOptions":
        values = orjson.loads(text)
        return cls(
            networks=tuple(ip_network(network) for network in values["networks"]),
            allows_resolve=values["resolve"],
            ca_file=values["ca_file"],
        )
