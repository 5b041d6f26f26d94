"""Events that Stripe delivers: by result, and how old they are when they arrive."""

from datetime import datetime

from prometheus_client import Counter, Histogram

from common.process_metrics import REGISTRY, SLOW_BUCKETS

_EVENTS = Counter(
    "tollgate_stripe_events",
    "Events from Stripe: stored, repeated, unusable, or refused because of the signature.",
    ["result"],
    registry=REGISTRY,
)
STORED, REPEATED, UNUSABLE, SIGNATURE_REFUSED = (
    _EVENTS.labels(result) for result in ("stored", "repeated", "unusable", "signature_refused")
)
_AGE = Histogram(
    "tollgate_stripe_event_received_seconds",
    "Age of an event, in whole seconds, when it arrives for the first time.",
    buckets=SLOW_BUCKETS,
    registry=REGISTRY,
)


def record_stored(*, created_at: datetime | None, is_usable: bool, at: datetime) -> None:
    """Count a new event; ``created_at`` is Stripe's time of it, if it names one."""
    (STORED if is_usable else UNUSABLE).inc()
    if created_at is not None:
        _AGE.observe(max(0.0, (at - created_at).total_seconds()))
