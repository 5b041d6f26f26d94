"""Signs of life of the processes that answer no requests."""

from datetime import datetime, timedelta

from common.models import Heartbeat


def beat(*, name: str, at: datetime) -> None:
    """The process (or the way through several of them) called ``name`` was alive at ``at``."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beaten_at": at})


def ages(*, at: datetime) -> dict[str, timedelta]:
    """How long ago each process that ever beat was last seen alive."""
    return {row.name: at - row.beaten_at for row in Heartbeat.objects.all()}
