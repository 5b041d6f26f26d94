"""How far the configured buses are behind the log, for ``/health``."""

from datetime import datetime

from delivery.bus import buses
from delivery.bus.selectors import parked_count
from delivery.outlets import outlet
from delivery.outlets.outlet import OutletLag

TITLES = {buses.STREAMS: "Redis Streams", buses.KAFKA: "Kafka"}


def lags(*, at: datetime) -> dict[str, OutletLag]:
    """The lag of each configured bus, by its title."""
    return {TITLES[name]: outlet.lag(name, at=at) for name in buses.configured()}


__all__ = ["lags", "parked_count"]
