"""How far the signals are behind, for ``/health``."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from delivery.outlets import outlet
from delivery.signals import planner, selectors


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """``age`` of the oldest event or signal that is waiting; ``parked`` wait for an operator."""

    age: timedelta
    parked: int


def read(*, at: datetime) -> SignalStatus | None:
    """The status; None if no Temporal server is configured."""
    if not settings.TEMPORAL.address:
        return None
    oldest = selectors.oldest_due(at=at)
    waiting = timedelta() if oldest is None else at - oldest
    lag = outlet.lag(planner.OUTLET, at=at)
    return SignalStatus(max(waiting, lag.age), selectors.count_parked())
