"""Settings that several apps share."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured
from environ import Env

Network = IPv4Network | IPv6Network
FORWARDED, X_FORWARDED_FOR = "forwarded", "x-forwarded-for"
NONE = "none"
"""The value of TRUSTED_PROXIES that trusts no proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """``loopback`` allows :mod:`common.egress` to reach this machine, with http and on any port."""

    loopback: bool = False

    @classmethod
    def from_env(cls, env: Env, *, default: bool = False) -> "EgressSettings":
        return cls(loopback=env.bool("EGRESS_LOOPBACK", default=default))

    def check(self) -> None:
        """Raise ImproperlyConfigured if tenants' URLs could lead to this machine."""
        if self.loopback:
            raise ImproperlyConfigured("EGRESS_LOOPBACK is for development only: unset it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Trusted reverse proxies: their networks, and the (lower-case) header that names their
    client."""

    trusted: tuple[Network, ...] = ()
    header: str = X_FORWARDED_FOR

    @classmethod
    def from_env(cls, env: Env) -> "ProxySettings":
        """Raises ImproperlyConfigured for an invalid network, and for one that contains all
        addresses."""
        value = env.str("TRUSTED_PROXIES", default=NONE).strip()
        parts = [] if value == NONE else [part.strip() for part in value.split(",") if part.strip()]
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
