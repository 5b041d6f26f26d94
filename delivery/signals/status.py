"""How far the signals are behind, for ``/health``."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from delivery.outlets import outlet
from delivery.signals import planner, selectors


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """``waiting`` events and signals, the oldest for ``age``; ``parked`` wait for an operator."""

    waiting: int
    age: timedelta
    parked: int


def read(*, at: datetime) -> SignalStatus | None:
    """The status; None if no Temporal server is configured."""
    if not settings.TEMPORAL.address:
        return None
    due, oldest = selectors.count_due(at=at)
    age = timedelta() if oldest is None else at - oldest
    lag = outlet.lag(planner.OUTLET, at=at)
    return SignalStatus(lag.events + due, max(age, lag.age), selectors.count_parked())
