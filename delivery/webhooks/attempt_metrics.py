"""Attempts to deliver webhooks, and what became of the deliveries."""

from prometheus_client import Counter, Histogram

from common.process_metrics import FAST_BUCKETS, REGISTRY
from delivery.models import DeliveryState
from delivery.webhooks.results import FinishedAttempt

_ATTEMPTS = Counter(
    "tollgate_webhook_attempts", "Requests to receivers by verdict.", ["verdict"], registry=REGISTRY
)
_DURATION = Histogram(
    "tollgate_webhook_attempt_duration_seconds",
    "Time of a request to a receiver.",
    buckets=(*FAST_BUCKETS, 30.0),
    registry=REGISTRY,
)
_DELIVERIES = Counter(
    "tollgate_webhook_deliveries",
    "Deliveries that ended: done, or failed after the last attempt.",
    ["state"],
    registry=REGISTRY,
)
for _state in (DeliveryState.DONE, DeliveryState.FAILED):
    _DELIVERIES.labels(_state.value)


def record_attempt(finished: FinishedAttempt) -> None:
    """Count an attempt, and its delivery if that has ended."""
    _ATTEMPTS.labels(finished.judgement.verdict.name.lower()).inc()
    if finished.state != DeliveryState.WAITING:
        _DELIVERIES.labels(finished.state.value).inc()
    total = finished.result.phases.total
    if total is not None:
        _DURATION.observe(total / 1000)
