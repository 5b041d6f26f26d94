"""Count messages of the shared streams that no project accepts."""

from datetime import datetime

from django.db.models import F

from common import inserts
from delivery.models import InboundRefusal

MOST_NAMES = 1000
OTHERS = "(others)"
"""Counts further names, so that a sender cannot fill the table."""


def count(name: str, *, at: datetime) -> None:
    """Count one message that names this project."""
    if _add(name, at):
        return
    if InboundRefusal.objects.count() >= MOST_NAMES:
        name = OTHERS
    inserts.insert(InboundRefusal(name=name, first_at=at, last_at=at))
    _add(name, at)


def _add(name: str, at: datetime) -> bool:
    rows = InboundRefusal.objects.filter(name=name)
    return bool(rows.update(count=F("count") + 1, last_at=at))
