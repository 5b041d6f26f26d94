"""This app's settings."""

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from environ import Env

LEAST_LENGTH = 1000
SMTP_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
"""Without encryption, with STARTTLS, and with TLS from the first byte."""
SMTP_SECONDS = 15
NO_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
EXAMPLE = (
    "EMAIL_URL is like smtp+tls://user:password@smtp.example.com:587, smtps://…, "
    "anymail://postmark or file:///var/mail."
)


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """Where the log is published: a Redis server, Kafka, both or neither.

    ``length`` is the number of events that the stream of all projects keeps, ``project_length``
    that of each project's stream; Redis keeps some more. ``kafka_options`` are librdkafka's.
    """

    url: str = ""
    length: int = 100_000
    project_length: int = 10_000
    kafka_servers: str = ""
    kafka_topic: str = "tollgate.events"
    kafka_options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_env(cls, env: Env, *, url: str = "") -> "BusSettings":
        """``url`` is the default of BUS_URL. Raises ImproperlyConfigured for a wrong value."""
        bus = cls(
            url=env.str("BUS_URL", default=url).strip(),
            length=_length("BUS_LENGTH", env.str("BUS_LENGTH", default=str(cls.length))),
            project_length=_length(
                "BUS_PROJECT_LENGTH",
                env.str("BUS_PROJECT_LENGTH", default=str(cls.project_length)),
            ),
            kafka_servers=env.str("KAFKA_SERVERS", default="").strip(),
            kafka_topic=env.str("KAFKA_TOPIC", default=cls.kafka_topic).strip(),
            kafka_options=_options(env.str("KAFKA_OPTIONS", default="")),
        )
        if bus.url and urlsplit(bus.url).scheme not in ("redis", "rediss", "unix"):
            raise ImproperlyConfigured("BUS_URL is an address such as redis://redis:6379/0.")
        if bus.kafka_servers and not bus.kafka_topic:
            raise ImproperlyConfigured("KAFKA_TOPIC must not be empty.")
        return bus


def _length(name: str, text: str) -> int:
    try:
        length = int(text)
    except ValueError:
        length = 0
    if length < LEAST_LENGTH:
        raise ImproperlyConfigured(f"{name} is a number of events, at least {LEAST_LENGTH}.")
    return length


def _options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ImproperlyConfigured(
            'KAFKA_OPTIONS is a JSON object, such as {"security.protocol": "SSL"}.'
        )
    return options


@dataclass(frozen=True, kw_only=True)
class InboundSources:
    """Where the company's auth service writes about users: a Redis stream, a Kafka topic at the
    brokers of ``BusSettings``, both or neither."""

    stream: str = ""
    stream_url: str = ""
    kafka_topic: str = ""
    kafka_group: str = "tollgate"

    @classmethod
    def from_env(cls, env: Env, *, bus: BusSettings) -> "InboundSources":
        """The stream is at the bus unless INBOUND_STREAM_URL says otherwise. Raises
        ImproperlyConfigured."""
        sources = cls(
            stream=env.str("INBOUND_STREAM", default="").strip(),
            stream_url=env.str("INBOUND_STREAM_URL", default="").strip() or bus.url,
            kafka_topic=env.str("INBOUND_KAFKA_TOPIC", default="").strip(),
            kafka_group=env.str("INBOUND_KAFKA_GROUP", default=cls.kafka_group).strip(),
        )
        if sources.stream and not sources.stream_url:
            raise ImproperlyConfigured(
                "Set INBOUND_STREAM_URL or BUS_URL: where INBOUND_STREAM is."
            )
        if sources.kafka_topic and not (bus.kafka_servers and sources.kafka_group):
            raise ImproperlyConfigured(
                "Set KAFKA_SERVERS and INBOUND_KAFKA_GROUP: INBOUND_KAFKA_TOPIC is there."
            )
        if sources.kafka_topic and sources.kafka_topic == bus.kafka_topic:
            raise ImproperlyConfigured("INBOUND_KAFKA_TOPIC is the topic of our own events.")
        return sources


@dataclass(frozen=True, kw_only=True)
class MailServerSettings:
    """``mail_from`` is the sender of all mail; empty: no mail is sent. ``mail_operators`` is the
    address of the installation's operators; empty: they get none. ``mail_provider`` is the
    provider of django-anymail whose reports are received. ``email`` are Django's settings.
    """

    mail_from: str = ""
    mail_operators: str = ""
    mail_provider: str = ""
    hermes_url: str = ""
    hermes_token: str = field(default="", repr=False)
    email: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, address in (
            ("MAIL_FROM", self.mail_from),
            ("MAIL_OPERATORS", self.mail_operators),
        ):
            _check_address(name, address)
        if self.mail_operators and not self.mail_from:
            raise ImproperlyConfigured("Set EMAIL_URL and MAIL_FROM: MAIL_OPERATORS is there.")
        if self.hermes_url and not self.hermes_token:
            raise ImproperlyConfigured("Set HERMES_TOKEN: Hermes needs it.")

    @classmethod
    def from_env(cls, env: Env, *, email_url: str = "", mail_from: str = "") -> Self:
        """The arguments are an environment's defaults. Without EMAIL_URL and MAIL_FROM no mail is
        sent. Raises ImproperlyConfigured."""
        url = env.str("EMAIL_URL", default=email_url).strip()
        sender = env.str("MAIL_FROM", default=mail_from).strip()
        if bool(url) != bool(sender):
            raise ImproperlyConfigured("Set EMAIL_URL and MAIL_FROM together, or neither.")
        parts = urlsplit(url)
        is_provider = parts.scheme == "anymail"
        return cls(
            mail_from=sender,
            mail_operators=env.str("MAIL_OPERATORS", default="").strip(),
            mail_provider=(parts.hostname or "") if is_provider else "",
            hermes_url=env.str("HERMES_URL", default="").strip(),
            hermes_token=env.str("HERMES_TOKEN", default="").strip(),
            email=_provider(env, parts.hostname) if is_provider else _mail_server(url),
        )


def _check_address(name: str, address: str) -> None:
    if not address:
        return
    try:
        validate_email(address)
    except ValidationError as error:
        raise ImproperlyConfigured(f"{name} is not a mail address.") from error


def _provider(env: Env, name: str | None) -> dict[str, Any]:
    """Django's settings for a provider of django-anymail; ``ANYMAIL`` holds the provider's own."""
    if not name:
        raise ImproperlyConfigured(EXAMPLE)
    return {
        "EMAIL_BACKEND": f"anymail.backends.{name}.EmailBackend",
        "ANYMAIL": env.dict("ANYMAIL", default={}),
    }


def _mail_server(url: str) -> dict[str, Any]:
    """Django's settings for an SMTP server or a folder."""
    if not url:
        return {"EMAIL_BACKEND": NO_BACKEND}
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        backend = "django.core.mail.backends.filebased.EmailBackend"
        return {"EMAIL_BACKEND": backend, "EMAIL_FILE_PATH": parts.path}
    if parts.scheme not in SMTP_PORTS or not parts.hostname:
        raise ImproperlyConfigured(EXAMPLE)
    return {
        "EMAIL_BACKEND": "delivery.mail.smtp.TrackedSmtpBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or SMTP_PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": SMTP_SECONDS,
    }


@dataclass(frozen=True, kw_only=True)
class TemporalSettings:
    """The Temporal server whose workflows are signaled; without ``address`` none are. ``tls_ca``,
    ``tls_cert`` and ``tls_key`` are PEM; empty: the system's authorities, no client certificate.
    """

    address: str = ""
    api_key: str = field(default="", repr=False)
    tls: bool = False
    tls_ca: bytes = field(default=b"", repr=False)
    tls_cert: bytes = field(default=b"", repr=False)
    tls_key: bytes = field(default=b"", repr=False)

    @classmethod
    def from_env(cls, env: Env) -> "TemporalSettings":
        """Raises ImproperlyConfigured for a wrong value, and without the SDK."""
        address = env.str("TEMPORAL_ADDRESS", default="").strip()
        if not address:
            return cls()
        if ":" not in address or "/" in address:
            raise ImproperlyConfigured("TEMPORAL_ADDRESS is a host and port: temporal:7233.")
        if find_spec("temporalio") is None:
            raise ImproperlyConfigured("TEMPORAL_ADDRESS needs requirements/temporal.txt.")
        api_key = env.str("TEMPORAL_API_KEY", default="").strip()
        files = {
            "tls_ca": _pem(env.str("TEMPORAL_TLS_CA", default="")),
            "tls_cert": _pem(env.str("TEMPORAL_TLS_CERT", default="")),
            "tls_key": _pem(env.str("TEMPORAL_TLS_KEY", default="")),
        }
        if bool(files["tls_cert"]) != bool(files["tls_key"]):
            raise ImproperlyConfigured("Set TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY together.")
        has_secrets = bool(api_key or any(files.values()))
        text = env.str("TEMPORAL_TLS", default="")
        tls = env.bool("TEMPORAL_TLS") if text.strip() else has_secrets
        if has_secrets and not tls:
            raise ImproperlyConfigured("An API key or a certificate needs TEMPORAL_TLS=true.")
        return cls(address=address, api_key=api_key, tls=tls, **files)


def _pem(path: str) -> bytes:
    if not path.strip():
        return b""
    try:
        return Path(path.strip()).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{path}: no PEM file that can be read.") from error
