"""The buses that are configured."""

from django.conf import settings

from delivery.bus.bus import Bus
from delivery.bus.streams import StreamsBus
from delivery.conf import BusSettings

STREAMS, KAFKA = "bus", "kafka"
"""Names of their outlets."""


def configured() -> list[str]:
    """The outlets of the configured buses."""
    bus: BusSettings = settings.BUS
    addresses = {STREAMS: bus.url, KAFKA: bus.kafka_servers}
    return [name for name, address in addresses.items() if address]


def open_bus(name: str) -> Bus:
    """The bus of this outlet, for one run. Raises ImportError for Kafka without its package."""
    if name == STREAMS:
        return StreamsBus(settings.BUS)
    from delivery.bus.kafka import KafkaBus  # noqa: PLC0415  # an extra: only if it is configured

    return KafkaBus(settings.BUS)
