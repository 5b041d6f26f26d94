"""What becomes of records that Stripe is to hear of; ``billing`` is who tells it.

A record goes from *pending* to *told*; one whose customer Stripe does not know is *waiting*. A
voided one of which Stripe may know is *canceling* until it is *canceled*. *Refused* waits for a
person. ``forwarded_at`` is written before Stripe is first asked: a record without it was never
counted there.

Outcomes are written for many records of many customers at once, which the ORM cannot say; the SQL
is constant.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from events.services import audit
from usage.errors import RecordNotRefused
from usage.models import Meter, Record
from usage.models.record import Forwarding
from usage.reporting.meter_events import MeterEvent

_SETTLE = """
UPDATE usage_record AS record SET
    forwarding = given.outcome,
    forwarding_error = given.error,
    forwarded_at = CASE WHEN given.is_known THEN record.forwarded_at END,
    event_identifier = CASE WHEN given.is_known THEN record.event_identifier ELSE '' END
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(moments)s::timestamptz[], %(ids)s::text[], %(before)s::text[], %(outcomes)s::text[],
    %(errors)s::text[], %(known)s::boolean[])
    AS given (project_id, customer_id, meter_id, occurred_at, id, before, outcome, error, is_known)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id AND record.occurred_at = given.occurred_at
    AND record.id = given.id COLLATE "C" AND record.forwarding = given.before
"""


class Settled(NamedTuple):
    """What became of a record that was ``before``; ``is_known`` says that Stripe may have it."""

    record: Record
    outcome: Forwarding
    error: str = ""
    is_known: bool = True


def begin(meter: Meter) -> None:
    """From now on Stripe is told of this meter's records."""
    rows = Meter.objects.for_project(meter.project_id)
    rows.filter(pk=meter.pk, is_forwarded=False).update(is_forwarded=True)


def settle(*, outcomes: Sequence[Settled]) -> None:
    """Write down what became of each, unless the record has moved on meanwhile."""
    if not outcomes:
        return
    given: dict[str, Any] = {
        **_keys([each.record for each in outcomes]),
        "before": [each.record.forwarding for each in outcomes],
        "outcomes": [each.outcome.value for each in outcomes],
        "errors": [each.error for each in outcomes],
        "known": [each.is_known for each in outcomes],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, given)


def wake(*, project_id: str, customer_id: str, since: datetime) -> int:
    """Stripe knows the customer now: tell it what waited; how many records.

    What happened before ``since`` is older than Stripe takes: it is *expired*, and nobody is billed
    for it.
    """
    rows = Record.objects.for_project(project_id).filter(
        customer_id=customer_id, forwarding=Forwarding.WAITING
    )
    rows.filter(occurred_at__lt=since).update(forwarding=Forwarding.EXPIRED)
    return rows.update(forwarding=Forwarding.PENDING)


def refuse_voids(*, events: Sequence[tuple[MeterEvent, str]]) -> None:
    """Stripe did not take these events back, and why: their void records wait for a person."""
    for event, error in events:
        rows = Record.objects.for_project(event.project_id).filter(
            Q(event_identifier=event.identifier) | Q(event_identifier="", id=event.identifier),
            customer_id=event.customer_id,
            meter_id=event.meter_id,
            occurred_at__range=(event.first, event.last),
            forwarding=Forwarding.CANCELING,
        )
        rows.update(forwarding=Forwarding.REFUSED, forwarding_error=error)


def after_void(record: Record) -> Forwarding:
    """What a record that is voided has to do with Stripe from then on."""
    return Forwarding.NONE if record.forwarded_at is None else Forwarding.CANCELING


def try_again(*, meter: Meter, reason: str, actor: str, at: datetime) -> int:
    """Have Stripe asked once more about this meter's records that it refused; how many there are.

    Raises RecordNotRefused when there are none.
    """
    rows = Record.objects.for_project(meter.project_id).filter(
        meter=meter, forwarding=Forwarding.REFUSED
    )
    with transaction.atomic():
        canceling = rows.filter(voided_at__isnull=False).update(
            forwarding=Forwarding.CANCELING, forwarding_error=""
        )
        anew = rows.filter(voided_at__isnull=True)
        pending = anew.update(
            forwarding=Forwarding.PENDING,
            forwarding_error="",
            forwarded_at=None,
            event_identifier="",
        )
        if not canceling + pending:
            raise RecordNotRefused("Stripe has refused no record of this meter.")
        audit.record(
            actor=actor,
            action="usage.forward_again",
            subject=meter.pk,
            project_id=meter.project_id,
            reason=reason,
            after={"to_be_told": pending, "to_be_taken_back": canceling},
            at=at,
        )
    return canceling + pending


def _keys(records: Sequence[Record]) -> dict[str, Any]:
    return {
        "projects": [record.project_id for record in records],
        "customers": [record.customer_id for record in records],
        "meters": [record.meter_id for record in records],
        "moments": [record.occurred_at for record in records],
        "ids": [record.id for record in records],
    }
