"""Events of usage that Stripe does not bill, and of voided usage that it bills all the same.

The records keep the reason, the console lists them, and the event is recorded in the transaction
that marks them as refused.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import structlog
from django.db import transaction

from billing.models import StripeAccount, StripeMeter
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customer_rows
from projects.models import Customer
from usage.meters.representation import UsageRefusalBody
from usage.models import Meter
from usage.models.record import Forwarding
from usage.reporting import meter_events
from usage.reporting.forwarding import ForwardingResult, RefusedVoids
from usage.reporting.meter_events import MeterEvent, MeterEventResult

log = structlog.get_logger(__name__)

REFUSED, VOID_REFUSED = EventType.USAGE_REFUSED, EventType.USAGE_VOID_REFUSED


class _RefusalKey(NamedTuple):
    event_type: EventType
    project_id: str
    customer_id: str
    meter_id: str
    reason: str


def lock_customers(
    *,
    settled: Sequence[ForwardingResult],
    ended: Sequence[MeterEventResult],
    kept: Sequence[MeterEvent] = (),
) -> None:
    """Lock the customers whose usage is refused. The caller has locked nothing yet."""
    refused: set[tuple[str, str]] = set()
    for outcome in settled:
        if outcome.outcome is Forwarding.REFUSED:
            refused.add((outcome.record.project_id, outcome.record.customer_id))
    for result in ended:
        if result.outcome is Forwarding.REFUSED:
            refused.add((result.event.project_id, result.event.customer_id))
    _lock(refused | {(event.project_id, event.customer_id) for event in kept})


def record_events(
    *,
    settled: Sequence[ForwardingResult],
    ended: Sequence[MeterEventResult],
    voids: Sequence[RefusedVoids] = (),
    at: datetime,
) -> None:
    """Record one event for each customer, meter and reason. The customers are locked.

    ``voids`` are voided records of events that Stripe has not canceled.
    """
    sums: dict[_RefusalKey, tuple[int, int]] = {}
    for outcome in settled:
        if outcome.outcome is Forwarding.REFUSED:
            row = outcome.record
            is_void = row.forwarding == Forwarding.CANCELING
            event_type = VOID_REFUSED if is_void else REFUSED
            key = _RefusalKey(
                event_type, row.project_id, row.customer_id, row.meter_id, outcome.error
            )
            _add(sums, key, 1, row.value)
    for result in ended:
        if result.outcome is Forwarding.REFUSED:
            event = result.event
            key = _RefusalKey(
                REFUSED, event.project_id, event.customer_id, event.meter_id, result.error
            )
            _add(sums, key, event.pending, event.value)
    for void in voids:
        event = void.event
        key = _RefusalKey(
            VOID_REFUSED, event.project_id, event.customer_id, event.meter_id, void.error
        )
        _add(sums, key, void.records, void.value)
    if sums:
        _record(sums, at)


def apply_report(
    *,
    account: StripeAccount,
    meter_stripe_id: str,
    errors_by_identifier: Mapping[str, str],
    at: datetime,
) -> int:
    """Mark events as refused that Stripe accepted and later reported as not counted, by identifier.
    Returns the number of newly refused records; repeating it changes nothing."""
    stripe_meter = (
        StripeMeter.objects.across_projects()
        .filter(account=account, stripe_id=meter_stripe_id)
        .first()
    )
    if stripe_meter is None:
        return 0
    owner = {"project_id": stripe_meter.project_id, "meter_id": stripe_meter.meter_id}
    windows = [meter_events.window_of(identifier, **owner) for identifier in errors_by_identifier]
    events = meter_events.find(windows=[window for window in windows if window is not None])
    with transaction.atomic():
        _lock({(event.project_id, event.customer_id) for event in events})
        ended = []
        for event in events:
            error = f"Stripe does not count it: {errors_by_identifier[event.identifier]}"
            refused = meter_events.record_loss(event=event, error=error)
            if refused is not None:
                ended.append(MeterEventResult(refused, Forwarding.REFUSED, error))
        record_events(settled=(), ended=ended, at=at)
    return sum(outcome.event.records for outcome in ended)


def _lock(owners: Collection[tuple[str, str]]) -> None:
    """Lock customers by project and id: in one order, which prevents deadlocks."""
    for project_id, group in groupby(sorted(owners), key=itemgetter(0)):
        customer_rows.lock_many(project_id=project_id, customer_ids=[pk for _, pk in group])


def _add(
    refused: dict[_RefusalKey, tuple[int, int]], key: _RefusalKey, records: int, value: int
) -> None:
    before = refused.get(key, (0, 0))
    refused[key] = (before[0] + records, before[1] + value)


def _record(refused: dict[_RefusalKey, tuple[int, int]], at: datetime) -> None:
    customers = Customer.objects.across_projects().in_bulk({key.customer_id for key in refused})
    meters = Meter.objects.across_projects().in_bulk({key.meter_id for key in refused})
    for key, (records, value) in sorted(refused.items()):
        outbox.record(
            project_id=key.project_id,
            event_type=key.event_type,
            subject=key.meter_id,
            customer_id=key.customer_id,
            version=customers[key.customer_id].version,
            data=UsageRefusalBody(
                user_id=customers[key.customer_id].user_id,
                customer=key.customer_id,
                meter=meters[key.meter_id].code,
                records=records,
                value=value,
                reason=key.reason,
            ),
            at=at,
        )
    log.warning("usage_refused", records=sum(records for records, _ in refused.values()))
