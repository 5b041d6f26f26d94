"""Use that Stripe does not bill is told to the project: ``usage.refused``.

Nothing is lost silently: the records say why, the console lists them, and the project hears of it
in the transaction that writes it down.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import transaction

from billing.models import StripeAccount, StripeMeter
from events.catalog import EventType
from events.services import outbox
from projects.models import Customer
from usage.models import Meter
from usage.models.record import Forwarding
from usage.reporting import meter_events
from usage.reporting.forwarding import ForwardingResult
from usage.reporting.meter_events import MeterEventResult

log = structlog.get_logger(__name__)


class _Place(NamedTuple):
    project_id: str
    customer_id: str
    meter_id: str
    reason: str


def tell(
    *, settled: Sequence[ForwardingResult], ended: Sequence[MeterEventResult], at: datetime
) -> None:
    """Record one event for each customer, meter and reason."""
    refused: dict[_Place, tuple[int, int]] = {}
    for each in settled:
        if each.outcome is Forwarding.REFUSED:
            row = each.record
            place = _Place(row.project_id, row.customer_id, row.meter_id, each.error)
            _add(refused, place, 1, row.value)
    for end in ended:
        if end.outcome is Forwarding.REFUSED:
            event = end.event
            place = _Place(event.project_id, event.customer_id, event.meter_id, end.error)
            _add(refused, place, event.pending, event.value)
    if refused:
        _record(refused, at)


def report(
    *, account: StripeAccount, meter_stripe_id: str, lost: Mapping[str, str], at: datetime
) -> int:
    """Stripe says, by identifier, why it does not count events that it has taken. Returns how many
    records are refused by that now; again is no change."""
    known = (
        StripeMeter.objects.across_projects()
        .filter(account=account, stripe_id=meter_stripe_id)
        .first()
    )
    if known is None:
        return 0
    place = {"project_id": known.project_id, "meter_id": known.meter_id}
    windows = [meter_events.window_of(each, **place) for each in lost]
    found = meter_events.find(windows=[each for each in windows if each is not None])
    with transaction.atomic():
        ended = []
        for event in found:
            error = f"Stripe does not count it: {lost[event.identifier]}"
            refused = meter_events.record_loss(event=event, error=error)
            if refused is not None:
                ended.append(MeterEventResult(refused, Forwarding.REFUSED, error))
        tell(settled=(), ended=ended, at=at)
    return sum(each.event.records for each in ended)


def _add(refused: dict[_Place, tuple[int, int]], place: _Place, records: int, value: int) -> None:
    before = refused.get(place, (0, 0))
    refused[place] = (before[0] + records, before[1] + value)


def _record(refused: dict[_Place, tuple[int, int]], at: datetime) -> None:
    people = Customer.objects.across_projects().in_bulk({each.customer_id for each in refused})
    meters = Meter.objects.across_projects().in_bulk({each.meter_id for each in refused})
    for place, (records, value) in sorted(refused.items()):
        outbox.record(
            project_id=place.project_id,
            type=EventType.USAGE_REFUSED,
            subject=place.meter_id,
            customer_id=place.customer_id,
            data={
                "user_id": people[place.customer_id].user_id,
                "customer": place.customer_id,
                "meter": meters[place.meter_id].code,
                "records": records,
                "value": value,
                "reason": place.reason,
            },
            at=at,
        )
    log.warning("usage_refused", records=sum(records for records, _ in refused.values()))
