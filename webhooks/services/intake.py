"""Receive an event: verify it, store its bytes and request a sync of its object; then answer.

No request to Stripe, no Redis, no interpretation. Stripe does not repeat an event after our 200, so
the event and the request are committed by then, by one statement (``webhooks.services.intake_sql``)
for one event or for many.

The row is the record of the event: only an event that cannot be used is logged as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeEndpoint
from billing.operations import usage_refusals
from billing.stripe import signatures
from common import prepared_statements, traces
from common.binary_arrays import of_bytes, of_moments, of_numbers, of_texts
from common.ids import new_id
from common.queue import enqueue
from common.statement_codec import Row
from webhooks import event_metrics
from webhooks.envelope import Envelope, open_envelope
from webhooks.errors import SignatureRefused
from webhooks.services import intake_sql

log = structlog.get_logger(__name__)

FIRST = (1,)
"""The statement's row for an event that was not stored before."""
MOMENTS = frozenset(
    {"customer.subscription.trial_will_end", "invoice.overdue", "invoice.will_be_due"}
)
"""Types of events about a time that has come. Stripe sends them for objects that have not changed,
and what follows from such an object may depend on the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A verified event that is to be stored."""

    endpoint: StripeEndpoint
    body: bytes
    envelope: Envelope
    at: datetime
    """When it arrived."""
    traceparent: str

    @property
    def target(self) -> tuple[str, str]:
        """Kind and id of its object; empty without one."""
        return self.envelope.target or ("", "")

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """Deliveries that are stored together lock their objects and events in this order."""
        return (self.endpoint.account_id, *self.target, self.envelope.event_id, self.endpoint.pk)

    @property
    def is_of_moment(self) -> bool:
        return self.envelope.type in MOMENTS


class EventBatch:
    """Events that are stored by one statement: ``intake_sql.RECEIVE`` with ``parameters``. A second
    delivery of the same event is left out, and has to be stored alone."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        first: dict[tuple[str, str], Delivery] = {}
        for delivery in deliveries:
            first.setdefault((delivery.endpoint.pk, delivery.envelope.event_id), delivery)
        self._all = deliveries
        self._stored = sorted(first.values(), key=lambda delivery: delivery.order)
        patience = prepared_statements.LOCK_PATIENCE
        self.parameters = _parameters(self._stored, lock_timeout=patience)

    def finish(self, rows: Sequence[Row], wake: Callable[[str], None] = enqueue) -> list[bool]:
        """Count, log and announce what the statement has stored, by its rows. ``wake`` wakes the
        workers of a task. Returns True for each delivery that is stored."""
        news = [(delivery, row == FIRST) for delivery, row in zip(self._stored, rows, strict=True)]
        _announce(news, wake)
        stored = set(map(id, self._stored))
        return [id(delivery) in stored for delivery in self._all]


def receive(*, endpoint: StripeEndpoint, body: bytes, signature: str, at: datetime) -> Envelope:
    """Store a signed event once, and request a sync of its object.

    A report of lost usage is applied at each delivery, which changes nothing the second time:
    Stripe gets no 200 before it has worked, and sends it again. A report without its content is
    fetched later (``webhooks.services.error_reports``).

    Returns the parsed event. Raises SignatureRefused; nothing is stored then.
    """
    delivery = open_delivery(
        endpoint=endpoint,
        body=body,
        signature=signature,
        traceparent=traces.current_header(),
        at=at,
    )
    envelope = delivery.envelope
    parameters = _parameters([delivery], even_if_unchanged=delivery.is_of_moment)
    row = prepared_statements.fetch_row(intake_sql.RECEIVE, parameters)
    _announce([(delivery, row == FIRST)], enqueue)
    if envelope.report is not None:
        usage_refusals.apply_report(
            account=endpoint.account,
            meter_stripe_id=envelope.report.meter_stripe_id,
            errors_by_identifier=envelope.report.lost,
            at=at,
        )
    return envelope


def receive_together(deliveries: Sequence[Delivery]) -> list[bool]:
    """Store events by one statement, as :func:`receive` stores each of them; True for each that is
    stored. A second delivery of the same event has to be stored alone.

    None of them may be about a moment, or a report of lost usage with its content. One that waits
    for a lock for ``LOCK_PATIENCE`` fails. Raises Django's database errors; nothing is stored then,
    unless ``prepared_statements.is_outcome_unknown``.
    """
    batch = EventBatch(deliveries)
    return batch.finish(prepared_statements.fetch_rows(intake_sql.RECEIVE, batch.parameters))


def open_delivery(
    *, endpoint: StripeEndpoint, body: bytes, signature: str, traceparent: str, at: datetime
) -> Delivery:
    """Verify and parse an event. Raises SignatureRefused."""
    _verify(endpoint, body, signature, at)
    return Delivery(
        endpoint=endpoint,
        body=body,
        envelope=open_envelope(body, account=endpoint.account),
        at=at,
        traceparent=traceparent,
    )


def _parameters(
    deliveries: Sequence[Delivery],
    *,
    even_if_unchanged: bool = False,
    lock_timeout: str | None = None,
) -> dict[str, Any]:
    """Parameters of ``intake_sql.RECEIVE``: deliveries of different events, in their order."""
    envelopes = [delivery.envelope for delivery in deliveries]
    account_ids = [delivery.endpoint.account_id for delivery in deliveries]
    kinds, stripe_ids = zip(*[delivery.target for delivery in deliveries], strict=True)
    objects = list(zip(account_ids, kinds, stripe_ids, strict=True))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(objects))}
    received_at = [delivery.at for delivery in deliveries]
    return {
        "objects": of_numbers([numbers[key] for key in objects]),
        "account_ids": of_texts(account_ids),
        "kinds": of_texts(kinds),
        "stripe_ids": of_texts(stripe_ids),
        "customers": of_texts([envelope.customer for envelope in envelopes]),
        "ids": of_texts([new_id("iev") for _ in deliveries]),
        "endpoint_ids": of_texts([delivery.endpoint.pk for delivery in deliveries]),
        "event_ids": of_texts([envelope.event_id for envelope in envelopes]),
        "types": of_texts([envelope.type for envelope in envelopes]),
        "bodies": of_bytes([delivery.body for delivery in deliveries]),
        "quarantined": of_texts([envelope.unusable for envelope in envelopes]),
        "created_at": of_moments([envelope.created_at for envelope in envelopes]),
        "traceparents": of_texts([delivery.traceparent for delivery in deliveries]),
        "received_at": of_moments(received_at),
        "report_due_at": of_moments(
            [
                at if envelope.is_report_missing else None
                for envelope, at in zip(envelopes, received_at, strict=True)
            ]
        ),
        "at_once": False,
        "even_if_unchanged": even_if_unchanged,
        "lock_timeout": lock_timeout,
    }


def _verify(endpoint: StripeEndpoint, body: bytes, signature: str, at: datetime) -> None:
    try:
        signatures.verify(
            body=body,
            header=signature,
            secrets=stripe_accounts.signing_secrets(endpoint),
            at=at,
            tolerance=settings.WEBHOOKS.tolerance,
            max_signatures=settings.WEBHOOKS.max_signatures,
        )
    except signatures.SignatureInvalid as error:
        event_metrics.SIGNATURE_REFUSED.inc()
        raise SignatureRefused("Check the endpoint's signing secret and the clock.") from error


def _announce(stored: Sequence[tuple[Delivery, bool]], wake: Callable[[str], None]) -> None:
    """Count and log stored deliveries, and wake workers once for all of those that are new."""
    for delivery, is_new in stored:
        envelope = delivery.envelope
        if is_new:
            event_metrics.record_stored(
                created_at=envelope.created_at, is_usable=not envelope.unusable, at=delivery.at
            )
        else:
            event_metrics.REPEATED.inc()
        if envelope.unusable:
            log.warning("stripe_event_unusable", event_id=envelope.event_id, why=envelope.unusable)
    envelopes = [delivery.envelope for delivery, is_new in stored if is_new]
    if any(envelope.target is not None for envelope in envelopes):
        wake("billing.sync")
    if any(envelope.is_report_missing for envelope in envelopes):
        wake("webhooks.fetch_error_reports")
