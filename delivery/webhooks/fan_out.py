"""Create deliveries of new events: exactly once, in the transaction that moves the endpoint's
position in the log behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from common import ids
from common.prepared_queries import Parameter, PreparedValues
from common.prepared_statements import fetch_rows
from delivery.models import DeliveryKind, DeliveryState
from delivery.webhooks import lane_sql
from delivery.webhooks.lanes import DeliveryLane, DueDelivery
from events.catalog import EventType
from events.models import LoggedEvent

PAGE = 200
"""Events of the log that one lane takes at a time."""
NEVER_FANNED_OUT = EventType.WEBHOOK_ENDPOINT_TESTED.value
"""A test goes to one endpoint, whatever its filter is; its delivery is created with the event."""

_PAGE = PreparedValues(
    lambda: (
        LoggedEvent.objects.for_project(Parameter("project_id"))
        .filter(position__gt=Parameter("after"))
        .order_by("position")
        .values_list("position", "event_id", "type", "customer_id")[:PAGE]
    )
)


class LogEntry(NamedTuple):
    """An event's place in the log."""

    position: int
    event_id: str
    event_type: str
    customer_id: str


@dataclass(slots=True)
class FanOut:
    """The next events of one lane."""

    lane: DeliveryLane
    position: int
    entries: list[LogEntry]


def read_page(*, project_id: str, after: int) -> list[LogEntry]:
    """The next events of a project behind a position."""
    return [LogEntry(*row) for row in _PAGE.rows(project_id=project_id, after=after)]


def run(lanes: Sequence[DeliveryLane], *, at: datetime) -> int:
    """Take the next events of these lanes, and create their deliveries, which are added to the
    lanes. Returns how many events were read. A lane whose lease has ended gets none."""
    pages: dict[tuple[str, int], list[LogEntry]] = {}
    steps = []
    for lane in lanes:
        key = (lane.endpoint.project_id, lane.position)
        if key not in pages:
            pages[key] = read_page(project_id=key[0], after=key[1])
        if page := pages[key]:
            chosen = [each for each in page if _is_for(lane, each)]
            steps.append(FanOut(lane, page[-1].position, chosen))
    if not steps:
        return 0
    with transaction.atomic():
        moved = _move(steps, at)
        kept = [step for step in steps if step.lane.id in moved]
        due = _insert(kept, at)
    for step in kept:
        step.lane.position = step.position
        step.lane.add(due.get(step.lane.id, []))
    return sum(len(step.entries) for step in kept)


def insert(
    rows: Sequence[tuple[DeliveryLane, LogEntry, str]],
    *,
    kind: DeliveryKind,
    replay_id: str = "",
    at: datetime,
) -> list[DueDelivery]:
    """Store deliveries of events with their states; returns those that are due, in order."""
    deliveries = [
        DueDelivery(
            ids.new_id("whd"),
            kind.value,
            entry.event_id,
            entry.event_type,
            entry.position,
            entry.customer_id,
            0,
            None,
        )
        for _, entry, _ in rows
    ]
    fetch_rows(
        lane_sql.INSERT,
        {
            "ids": [each.id for each in deliveries],
            "projects": [lane.endpoint.project_id for lane, _, _ in rows],
            "endpoints": [lane.id for lane, _, _ in rows],
            "events": [each.event_id for each in deliveries],
            "types": [each.event_type for each in deliveries],
            "positions": [each.position for each in deliveries],
            "customers": [each.customer_id for each in deliveries],
            "states": [state for _, _, state in rows],
            "kind": kind.value,
            "replay_id": replay_id,
            "at": at,
        },
    )
    return deliveries


def _is_for(lane: DeliveryLane, entry: LogEntry) -> bool:
    return entry.event_type != NEVER_FANNED_OUT and lane.endpoint.wants(entry.event_type)


def _move(steps: Sequence[FanOut], at: datetime) -> set[str]:
    """Move the positions; the ids of the lanes that are still ours."""
    rows = fetch_rows(
        lane_sql.MOVE,
        {
            "ids": [step.lane.id for step in steps],
            "epochs": [step.lane.epoch for step in steps],
            "positions": [step.position for step in steps],
            "at": at,
        },
    )
    return {row[0] for row in rows}


def _insert(steps: Sequence[FanOut], at: datetime) -> dict[str, list[DueDelivery]]:
    """Store the deliveries; those that are due now, by endpoint."""
    busy = _busy_customers([step.lane.id for step in steps if step.lane.endpoint.is_ordered])
    rows = [
        (step.lane, entry, _state(step.lane, entry, busy))
        for step in steps
        for entry in step.entries
    ]
    due: dict[str, list[DueDelivery]] = {}
    if rows:
        deliveries = insert(rows, kind=DeliveryKind.LIVE, at=at)
        for (lane, _, state), delivery in zip(rows, deliveries, strict=True):
            if state == DeliveryState.WAITING:
                due.setdefault(lane.id, []).append(delivery)
    return due


def _state(lane: DeliveryLane, entry: LogEntry, busy: set[tuple[str, str]]) -> str:
    """Waiting, or behind an earlier event of the same customer."""
    if not (lane.endpoint.is_ordered and entry.customer_id):
        return DeliveryState.WAITING.value
    key = (lane.id, entry.customer_id)
    if key in busy:
        return DeliveryState.BEHIND.value
    busy.add(key)
    return DeliveryState.WAITING.value


def _busy_customers(endpoint_ids: list[str]) -> set[tuple[str, str]]:
    if not endpoint_ids:
        return set()
    rows = fetch_rows(lane_sql.BUSY_CUSTOMERS, {"ids": endpoint_ids})
    return {(endpoint_id, customer_id) for endpoint_id, customer_id in rows}
