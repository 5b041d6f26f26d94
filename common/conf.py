"""Settings of the language that the apps share."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured
from environ import Env

Network = IPv4Network | IPv6Network
FORWARDED, X_FORWARDED_FOR = "forwarded", "x-forwarded-for"
NONE = "none"
"""Written instead of addresses: no proxy is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """``loopback`` lets :mod:`common.egress` also reach this machine, by http and at any port."""

    loopback: bool = False

    @classmethod
    def from_env(cls, env: Env, *, default: bool = False) -> "EgressSettings":
        return cls(loopback=env.bool("EGRESS_LOOPBACK", default=default))

    def check(self) -> None:
        """Refuse to let tenants' addresses lead to this machine."""
        if self.loopback:
            raise ImproperlyConfigured("EGRESS_LOOPBACK is for development only: unset it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Reverse proxies in front: ``trusted`` are their networks, ``header`` the one header in which
    they say for whom they call (lower case)."""

    trusted: tuple[Network, ...] = ()
    header: str = X_FORWARDED_FOR

    @classmethod
    def from_env(cls, env: Env) -> "ProxySettings":
        """Raises ImproperlyConfigured for what is no network, and for one that holds everybody."""
        said = env.str("TRUSTED_PROXIES", default=NONE).strip()
        parts = [] if said == NONE else [part.strip() for part in said.split(",") if part.strip()]
        header = env.str("FORWARDED_HEADER", default=X_FORWARDED_FOR).strip().lower()
        if header not in (FORWARDED, X_FORWARDED_FOR):
            raise ImproperlyConfigured("FORWARDED_HEADER must be X-Forwarded-For or Forwarded.")
        return cls(trusted=tuple(_proxy_network(part) for part in parts), header=header)


def _proxy_network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"TRUSTED_PROXIES: {text!r} is neither an address nor a network such as 10.0.0.0/8."
        ) from error
    if network.prefixlen == 0:
        raise ImproperlyConfigured("TRUSTED_PROXIES must not trust every address.")
    return network
