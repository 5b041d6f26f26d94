"""Signs of life of the processes that answer no requests, and of what they do by the clock."""

from collections.abc import Mapping
from datetime import datetime

from common.models import Heartbeat

PIPELINE = "pipeline"
"""The way from beat through the broker to a worker: beats when all three are alive."""
WORKER = "worker"
"""Any worker at all, which polls the database even when the broker is dead."""


def beat(*, name: str, at: datetime) -> None:
    """What is called ``name`` was alive, or came to its end, at ``at``."""
    beat_all({name: at})


def beat_all(moments: Mapping[str, datetime]) -> None:
    """As :func:`beat`, in one statement. By name, as everybody locks them."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, beaten_at=at) for name, at in sorted(moments.items())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["beaten_at"],
    )


def last_beats() -> dict[str, datetime]:
    """When each that ever beat did so last, by its name."""
    return dict(Heartbeat.objects.values_list("name", "beaten_at"))
