"""How far each way out is behind, for ``/health``, the console and ``/metrics``.

A tenant's receiver that is away is the tenant's matter: webhooks are late only where none of our
processes does what is due.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.bus import status as bus_status
from delivery.mail import selectors as mail
from delivery.outlets import outlet
from delivery.outlets.outlet import OutletLag
from delivery.webhooks.selectors import unattended


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """``waiting`` of ``unit`` are not dealt with yet, the oldest for ``age``. ``stuck`` wait for a
    person."""

    name: str
    title: str
    unit: str
    waiting: int
    age: timedelta
    stuck: int = 0
    stuck_by: str = "parked"

    @property
    def detail(self) -> str | None:
        """What waits; None if nothing does."""
        counts = [f"{self.waiting} {self.unit}"] if self.waiting else []
        if self.stuck:
            counts.append(f"{self.stuck} {self.stuck_by}")
        return ", ".join(counts) or None


def all_ways(*, at: datetime) -> list[WayOut]:
    """Every way out that this installation has."""
    return [*_buses(at), _mail(at), _webhooks(at)]


def _buses(at: datetime) -> list[WayOut]:
    lags = bus_status.lags(at=at)
    parked = bus_status.parked_count() if lags else 0
    return [
        WayOut(
            name="bus",
            title=title,
            unit=f"to be published to {title}",
            waiting=lag.events,
            age=lag.age,
            stuck=0 if number else parked,
            stuck_by="parked by consumers",
        )
        for number, (title, lag) in enumerate(lags.items())
    ]


def _mail(at: datetime) -> WayOut:
    """Events that no message was planned of, and messages that are due."""
    lag = outlet.lag("mail", at=at) if mail.has_active_settings() else OutletLag(0, timedelta())
    due, oldest = mail.due_count(at=at)
    return WayOut(
        name="mail",
        title="Mail",
        unit="messages or events for them",
        waiting=lag.events + due,
        age=max(lag.age, at - oldest if oldest else timedelta(), timedelta()),
    )


def _webhooks(at: datetime) -> WayOut:
    """Endpoints with work that no process has."""
    count, oldest = unattended.count(at=at)
    return WayOut(
        name="webhooks",
        title="Webhooks",
        unit="endpoints with work that no process does",
        waiting=count,
        age=max(at - oldest, timedelta()) if oldest else timedelta(),
    )
