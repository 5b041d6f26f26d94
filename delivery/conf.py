"""This app's settings."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

LEAST_LENGTH = 1000


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
