"""Deletion of old finished intents."""

from datetime import datetime, timedelta

from billing.models import StripeIntent
from billing.outbound import selectors as intents

KEPT = timedelta(days=30)
"""How long a finished intent is kept."""
PURGE_BATCH = 5000


def purge(*, at: datetime) -> int:
    """Delete intents that finished 30 days ago, a batch at most. Returns how many."""
    old = intents.finished(before=at - KEPT).order_by("finished_at").values("pk")[:PURGE_BATCH]
    rows = StripeIntent.objects.across_projects().filter(pk__in=old)
    return rows.delete()[0]
