"""States of records that are reported to Stripe; ``billing`` calls Stripe.

A record goes from *pending* to *told*; without a Stripe customer it is *waiting*. A voided record
that Stripe may have is *canceling* until it is *canceled*. *Refused* waits for a person.
``forwarded_at`` is written before Stripe is first called: without it, Stripe has never counted the
record.

Results are written for many records of many customers at once, which the ORM cannot express; the
SQL is constant.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Q, Sum

from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from events.log.outbox import NewEvent
from projects.customers import selectors as customers
from usage.errors import RecordNotRefused
from usage.meters.representation import UsageRefusalBody
from usage.models import Meter, Record
from usage.models.record import Forwarding
from usage.reporting.meter_events import MeterEvent

_RECORD_RESULTS = """
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


_EXPIRE_WAITING = """
WITH expired AS (
    UPDATE usage_record SET forwarding = 'expired'
    WHERE project_id = %(project)s AND customer_id = %(customer)s AND forwarding = 'waiting'
      AND occurred_at < %(since)s
    RETURNING meter_id, value
)
SELECT meter_id, count(*), sum(value) FROM expired GROUP BY meter_id ORDER BY meter_id
"""
EXPIRED_REASON = (
    "It happened more than 35 days before the customer was created at Stripe, so Stripe does not "
    "bill it."
)


class ForwardingResult(NamedTuple):
    """The result for a record in the state ``before``. ``is_known``: Stripe may have it."""

    record: Record
    outcome: Forwarding
    error: str = ""
    is_known: bool = True


def start_forwarding(meter: Meter) -> None:
    """Report this meter's records to Stripe from now on."""
    rows = Meter.objects.for_project(meter.project_id)
    rows.filter(pk=meter.pk, is_forwarded=False).update(is_forwarded=True)


def record_results(*, outcomes: Sequence[ForwardingResult]) -> None:
    """Store the result of each record, unless its state has changed meanwhile."""
    if not outcomes:
        return
    parameters: dict[str, Any] = {
        **_key_arrays([result.record for result in outcomes]),
        "before": [result.record.forwarding for result in outcomes],
        "outcomes": [result.outcome.value for result in outcomes],
        "errors": [result.error for result in outcomes],
        "known": [result.is_known for result in outcomes],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_RESULTS, parameters)


class RefusedVoids(NamedTuple):
    """Voided records of an event that Stripe has not canceled: how many, and their sum."""

    event: MeterEvent
    error: str
    records: int
    value: int


def release_waiting(*, project_id: str, customer_id: str, since: datetime, at: datetime) -> int:
    """Report the customer's waiting records, now that Stripe knows the customer. Returns how many.

    Records from before ``since`` are older than Stripe accepts: they become *expired* and are not
    billed, which is recorded. The caller holds the customer's lock.
    """
    parameters: dict[str, Any] = {
        "project": project_id,
        "customer": customer_id,
        "since": since,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_EXPIRE_WAITING, parameters)
            expired = cursor.fetchall()
        if expired:
            _record_expired(project_id, customer_id, expired, at)
        rows = Record.objects.for_project(project_id).filter(
            customer_id=customer_id, forwarding=Forwarding.WAITING
        )
        return rows.update(forwarding=Forwarding.PENDING)


def _record_expired(
    project_id: str, customer_id: str, expired: Sequence[tuple[str, int, int]], at: datetime
) -> None:
    """One event for each of these meters, with the number and the sum of its expired records."""
    customer = customers.get(project=project_id, user_id=customer_id)
    meters = Meter.objects.for_project(project_id).in_bulk([row[0] for row in expired])
    outbox.record_many(
        project_id=project_id,
        event_type=EventType.USAGE_EXPIRED,
        events=[
            NewEvent(
                subject=meter_id,
                customer_id=customer.pk,
                version=customer.version,
                data=UsageRefusalBody(
                    user_id=customer.user_id,
                    customer=customer.pk,
                    meter=meters[meter_id].code,
                    records=records,
                    value=int(value),
                    reason=EXPIRED_REASON,
                ),
            )
            for meter_id, records, value in expired
        ],
        at=at,
    )


def refuse_voids(*, events: Sequence[tuple[MeterEvent, str]]) -> list[RefusedVoids]:
    """Stripe refused to cancel these events, with an error each: their void records wait for a
    person. Returns what was refused. The customers are locked."""
    refused = []
    for event, error in events:
        rows = Record.objects.for_project(event.project_id).filter(
            Q(event_identifier=event.identifier) | Q(event_identifier="", id=event.identifier),
            customer_id=event.customer_id,
            meter_id=event.meter_id,
            occurred_at__range=(event.first, event.last),
            forwarding=Forwarding.CANCELING,
        )
        sums = rows.aggregate(records=Count("id"), value=Sum("value"))
        if sums["records"]:
            rows.update(forwarding=Forwarding.REFUSED, forwarding_error=error)
            refused.append(RefusedVoids(event, error, sums["records"], int(sums["value"])))
    return refused


def forwarding_after_void(record: Record) -> Forwarding:
    """The state of a record once it is voided."""
    return Forwarding.NONE if record.forwarded_at is None else Forwarding.CANCELING


def retry_refused(*, meter: Meter, reason: str, actor: str, at: datetime) -> int:
    """Report this meter's refused records again. Returns how many. Audited.

    Raises RecordNotRefused when there are none.
    """
    rows = Record.objects.for_project(meter.project_id).filter(
        meter=meter, forwarding=Forwarding.REFUSED
    )
    with transaction.atomic():
        canceling = rows.filter(voided_at__isnull=False).update(
            forwarding=Forwarding.CANCELING, forwarding_error=""
        )
        not_voided = rows.filter(voided_at__isnull=True)
        pending = not_voided.update(
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


def _key_arrays(records: Sequence[Record]) -> dict[str, Any]:
    return {
        "projects": [record.project_id for record in records],
        "customers": [record.customer_id for record in records],
        "meters": [record.meter_id for record in records],
        "moments": [record.occurred_at for record in records],
        "ids": [record.id for record in records],
    }
