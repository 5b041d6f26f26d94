"""Signs of life of the processes that answer no requests."""

from datetime import datetime, timedelta

from common.models import Heartbeat

PIPELINE = "pipeline"
"""The way from beat through the broker to a worker: beats when all three are alive."""
WORKER = "worker"
"""Any worker at all, which polls the database even when the broker is dead."""


def beat(*, name: str, at: datetime) -> None:
    """What is called ``name`` was alive at ``at``."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, beaten_at=at)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["beaten_at"],
    )


def ages(*, at: datetime) -> dict[str, timedelta]:
    """How long ago each that ever beat was last seen alive."""
    return {row.name: at - row.beaten_at for row in Heartbeat.objects.all()}
