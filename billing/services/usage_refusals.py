"""Use that Stripe does not bill is told to the project: ``usage.refused``.

Nothing is lost silently: the records say why, the console lists them, and the project hears of it
in the transaction that writes it down.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from events.catalog import EventType
from events.services import outbox
from projects.models import Customer
from usage.models import Meter
from usage.models.record import Forwarding
from usage.services.forwarding import Settled
from usage.services.meter_events import Ended

log = structlog.get_logger(__name__)


class _Place(NamedTuple):
    project_id: str
    customer_id: str
    meter_id: str
    reason: str


def tell(*, settled: Sequence[Settled], ended: Sequence[Ended], at: datetime) -> None:
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
