"""How far each way out is behind, for ``/health``, the console and ``/metrics``.

A tenant's receiver that is away is the tenant's matter: webhooks are late only where none of our
processes does what is due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from common.row_counts import RowCount, count_rows
from delivery.bus import buses
from delivery.bus import selectors as bus
from delivery.mail import planner as mail_planner
from delivery.mail import selectors as mail
from delivery.outlets import outlet
from delivery.outlets.outlet import OutletLag
from delivery.signals import planner as signal_planner
from delivery.signals import selectors as signals
from delivery.webhooks.selectors import unattended

BUS_TITLES = {buses.STREAMS: "Redis Streams", buses.KAFKA: "Kafka"}

Counts = Mapping[str, RowCount]
Lags = Mapping[str, OutletLag]


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
    """Every way out that this installation has. Three queries."""
    counts = count_rows(
        {
            **bus.waiting_rows(),
            **mail.waiting_rows(at=at),
            **signals.waiting_rows(at=at),
        }
    )
    lags = outlet.lags(at=at)
    return [
        *_buses(counts, lags),
        _mail(counts, lags, at),
        *_signals(counts, lags, at),
        _webhooks(at),
    ]


def _buses(counts: Counts, lags: Lags) -> list[WayOut]:
    return [
        WayOut(
            name="bus",
            title=BUS_TITLES[name],
            unit=f"to be published to {BUS_TITLES[name]}",
            waiting=lags[name].events,
            age=lags[name].age,
            stuck=0 if number else counts["parked_entries"].n,
            stuck_by="parked by consumers",
        )
        for number, name in enumerate(buses.configured())
    ]


def _mail(counts: Counts, lags: Lags, at: datetime) -> WayOut:
    """Events that no message was planned of, and messages that are due."""
    due = counts["due_mail"]
    is_sent = settings.MAIL.mail_operators or counts["mail_settings"].n
    lag = lags[mail_planner.OUTLET] if is_sent else OutletLag(0, timedelta())
    return WayOut(
        name="mail",
        title="Mail",
        unit="messages or events for them",
        waiting=lag.events + due.n,
        age=max(lag.age, _age(due.oldest, at)),
    )


def _signals(counts: Counts, lags: Lags, at: datetime) -> list[WayOut]:
    """Nothing without a Temporal server."""
    if not settings.TEMPORAL.address:
        return []
    lag, due = lags[signal_planner.OUTLET], counts["due_signals"]
    return [
        WayOut(
            name="signals",
            title="Temporal",
            unit="signals or events for them",
            waiting=lag.events + due.n,
            age=max(lag.age, _age(due.oldest, at)),
            stuck=counts["parked_signals"].n,
        )
    ]


def _webhooks(at: datetime) -> WayOut:
    """Endpoints with work that no process has."""
    count, oldest = unattended.count(at=at)
    return WayOut(
        name="webhooks",
        title="Webhooks",
        unit="endpoints with work that no process does",
        waiting=count,
        age=_age(oldest, at),
    )


def _age(since: datetime | None, at: datetime) -> timedelta:
    return max(at - since, timedelta()) if since else timedelta()
