"""How long intents that are over are kept."""

from datetime import datetime, timedelta

from billing.models import StripeIntent
from billing.outbound import selectors as intents

KEPT = timedelta(days=30)
"""How long what is over can still be looked at."""
PURGE_BATCH = 5000


def purge(*, at: datetime) -> int:
    """Forget what has been over for 30 days; how many were forgotten."""
    old = intents.over(before=at - KEPT).order_by("finished_at").values("pk")[:PURGE_BATCH]
    rows = StripeIntent.objects.across_projects().filter(pk__in=old)
    return rows.delete()[0]
