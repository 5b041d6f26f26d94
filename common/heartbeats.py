"""Heartbeats of processes that answer no requests, and of periodic tasks."""

from collections.abc import Mapping
from datetime import datetime

from common.models import Heartbeat

PIPELINE = "pipeline"
"""Beats when beat, broker and worker all work."""
WORKER = "worker"
"""Beats while any worker runs: workers poll the database even without the broker."""
DISPATCHER = "dispatcher"
"""Beats while any process sends outgoing webhooks."""


def beat(*, name: str, at: datetime) -> None:
    """Record that ``name`` was alive, or that its run ended, at ``at``."""
    beat_all({name: at})


def beat_all(times_by_name: Mapping[str, datetime]) -> None:
    """Record several heartbeats in one statement, ordered by name to prevent deadlocks."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, beaten_at=at) for name, at in sorted(times_by_name.items())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["beaten_at"],
    )


def last_beats() -> dict[str, datetime]:
    """Time of the last heartbeat by name."""
    return dict(Heartbeat.objects.values_list("name", "beaten_at"))
