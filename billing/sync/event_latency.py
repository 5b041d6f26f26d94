"""How long a change at Stripe takes to become our answer."""

import time
from datetime import datetime

from prometheus_client import Histogram

from common.process_metrics import REGISTRY, SLOW_BUCKETS

_APPLIED = Histogram(
    "tollgate_stripe_event_applied_seconds",
    "Time from Stripe's creation of an event, in whole seconds, to the commit of what it changed.",
    ["kind"],
    buckets=(0.5, *SLOW_BUCKETS),
    registry=REGISTRY,
)


def record_applied(*, kind: str, created_at: datetime | None) -> None:
    """Count the event that requested a read, after its result is committed; None: there was
    none."""
    if created_at is not None:
        _APPLIED.labels(kind).observe(max(0.0, time.time() - created_at.timestamp()))
