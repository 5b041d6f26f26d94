"""Plan the signals of events: exactly once, in the transaction that moves the outlet's cursor."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction

from delivery.models import Outlet, WorkflowSignal
from delivery.outlets import outlet
from delivery.outlets.outlet import Start
from delivery.signals import selectors
from events.catalog import EventType
from events.log import selectors as event_log
from events.models import LoggedEvent

OUTLET = "signals"
BATCH = 500
MAX_BATCHES = 20
"""Batches of one run, so that it ends in time; the next run goes on."""
SIGNALS: dict[str, str] = {
    EventType.PAYMENT_PAID: "PaymentConfirmed",
    EventType.PAYMENT_EXPIRED: "PaymentExpired",
}
"""Names of the signals by type of event."""


def run(*, at: datetime) -> int:
    """Plan the signals of the next events of all projects. Returns how many events were read."""
    count = 0
    for _ in range(MAX_BATCHES):
        events = _run_batch(at)
        count += events
        if events < BATCH:
            break
    return count


def _run_batch(at: datetime) -> int:
    with transaction.atomic():
        row = outlet.lock(OUTLET, start=Start.NEXT)
        if row is None or _skip(row, at):
            return 0
        events = outlet.take(row, limit=BATCH)
        if not events:
            return 0
        namespaces = selectors.namespaces({event.project_id for event in events})
        rows = [each for event in events for each in _plan_event(event, namespaces, at)]
        WorkflowSignal.objects.bulk_create(rows, ignore_conflicts=True)
        outlet.move(row, number=events[-1].number, at=at)
    return len(events)


def _skip(row: Outlet, at: datetime) -> bool:
    """Skip all events while nobody is signaled. Their last number is read before the projects: no
    event is skipped that is younger than the namespace of its project."""
    number = event_log.last_number()
    if settings.TEMPORAL.address and selectors.has_namespaces():
        return False
    if number > row.number:
        outlet.move(row, number=number, at=at)
    return True


def _plan_event(
    event: LoggedEvent, namespaces: Mapping[str, str], at: datetime
) -> Iterator[WorkflowSignal]:
    signal = SIGNALS.get(event.type)
    if signal is None or event.project_id not in namespaces:
        return
    workflow_id = event.event.data.get("workflow_id")
    if workflow_id:
        yield WorkflowSignal(
            project_id=event.project_id,
            event_id=event.pk,
            signal=signal,
            workflow_id=workflow_id,
            payment_id=event.event.subject,
            due_at=at,
            created_at=at,
        )
