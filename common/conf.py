"""Settings that several apps share."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import unquote, urlsplit

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


@dataclass(frozen=True, kw_only=True)
class TracingSettings:
    """Where spans are sent, with OpenTelemetry's own names of the variables; empty: nowhere.

    ``ratio`` is the part of the traces recorded that no caller has begun. ``headers`` prove to the
    collector who sends.
    """

    endpoint: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    service: str = "tollgate"
    ratio: float = 0.05

    @classmethod
    def from_env(cls, env: Env) -> "TracingSettings":
        """Raises ImproperlyConfigured for a wrong value, and if the libraries are missing."""
        tracing = cls(
            endpoint=env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="").strip().rstrip("/"),
            headers=_headers(env.str("OTEL_EXPORTER_OTLP_HEADERS", default="")),
            service=env.str("OTEL_SERVICE_NAME", default=cls.service).strip() or cls.service,
            ratio=_ratio(env.str("OTEL_TRACES_SAMPLER_ARG", default="").strip()),
        )
        tracing.check()
        return tracing

    def check(self) -> None:
        """Raise ImproperlyConfigured if spans could not be sent."""
        if not self.endpoint:
            return
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ImproperlyConfigured(
                "OTEL_EXPORTER_OTLP_ENDPOINT is the address of a collector, as "
                "http://collector:4318."
            )
        if find_spec("opentelemetry") is None:
            raise ImproperlyConfigured(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set: install requirements/otel.txt."
            )


def _ratio(text: str) -> float:
    try:
        ratio = float(text) if text else TracingSettings.ratio
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise ImproperlyConfigured("OTEL_TRACES_SAMPLER_ARG is a number from 0 to 1.")
    return ratio


def _headers(text: str) -> dict[str, str]:
    """``name=value`` pairs, separated by commas, the values percent-encoded, as OpenTelemetry
    defines them."""
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if not all(name.strip() and separator for name, separator, _ in pairs):
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_HEADERS are name=value pairs, separated by commas."
        )
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


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
