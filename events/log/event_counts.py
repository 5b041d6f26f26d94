"""Counts events by type, once they have their positions in the log; those about money also by
project."""

from collections.abc import Iterable

from prometheus_client import Counter

from common.process_metrics import REGISTRY
from events.catalog import EventType

BY_PROJECT = frozenset(
    {
        EventType.PAYMENT_PAID,
        EventType.PAYMENT_FAILED,
        EventType.PAYMENT_EXPIRED,
        EventType.PAYMENT_REFUNDED,
        EventType.PAYMENT_DISPUTED,
        EventType.SUBSCRIPTION_CREATED,
        EventType.SUBSCRIPTION_PAST_DUE,
        EventType.SUBSCRIPTION_CANCELED,
        EventType.INVOICE_PAID,
        EventType.INVOICE_PAYMENT_FAILED,
    }
)
"""Types that are counted for each project: a few, because each is a series per project."""

_EVENTS = Counter("tollgate_events", "Events of the log by type.", ["type"], registry=REGISTRY)
_PROJECT_EVENTS = Counter(
    "tollgate_project_events",
    "Events of the log about money, by project.",
    ["project", "type"],
    registry=REGISTRY,
)


def record(counts: Iterable[tuple[str, str, int]]) -> None:
    """Count events: project id, type and number of each."""
    for project_id, event_type, count in counts:
        _EVENTS.labels(event_type).inc(count)
        if event_type in BY_PROJECT:
            _PROJECT_EVENTS.labels(project_id, event_type).inc(count)


for _type in BY_PROJECT:
    _EVENTS.labels(_type.value)  # a series that begins at 0 shows its first event as a change
