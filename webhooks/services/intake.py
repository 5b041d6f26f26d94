"""Receive an event: verify it, store its bytes and request a sync of its object; then answer.

No request to Stripe, no Redis, no interpretation. Stripe does not repeat an event after our 200, so
the event and the request are committed by then, with one statement each. It is SQL, because the ORM
cannot express a row that depends on another write; it is constant, and each connection plans it
once.

The row is the record of the event: only an event that cannot be used is logged as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeEndpoint
from billing.operations import usage_refusals
from billing.stripe import signatures
from billing.sync import queue_sql
from common import prepared_statements, traces
from common.ids import new_id
from common.queue import enqueue
from webhooks import event_metrics
from webhooks.envelope import Envelope, open_envelope
from webhooks.errors import SignatureRefused

log = structlog.get_logger(__name__)

FIRST = (1,)
"""The statement's row for an event that was not stored before."""
MOMENTS = frozenset(
    {"customer.subscription.trial_will_end", "invoice.overdue", "invoice.will_be_due"}
)
"""Types of events about a time that has come. Stripe sends them for objects that have not changed,
and what follows from such an object may depend on the time."""

_OBJECT = """
object (account_id, kind, stripe_id, lane) AS (
    SELECT %(account_id)s, %(kind)s, %(stripe_id)s, coalesce((
        SELECT project_id FROM billing_stripecustomer
        WHERE account_id = %(account_id)s AND stripe_id = %(customer)s LIMIT 1), '')
    WHERE %(kind)s <> '' AND NOT EXISTS (
        SELECT FROM webhooks_inboundevent
        WHERE endpoint_id = %(endpoint_id)s AND event_id = %(event_id)s)
)
"""

_EVENT = """
INSERT INTO webhooks_inboundevent AS event (
    id, endpoint_id, event_id, type, stripe_object_id, customer_stripe_id, body, sync_id,
    request_number, quarantined, report_due_at, deliveries, received_at, last_received_at)
SELECT %(id)s, %(endpoint_id)s, %(event_id)s, %(type)s, %(stripe_id)s, %(customer)s, %(body)s,
    sync_id, number, %(quarantined)s, %(report_due_at)s::timestamptz, 1, %(at)s, %(at)s
FROM (VALUES (1)) AS one LEFT JOIN sync_request ON true
ON CONFLICT (endpoint_id, event_id) DO UPDATE SET
    deliveries = event.deliveries + 1, last_received_at = EXCLUDED.last_received_at
RETURNING deliveries
"""

_RECEIVE = f"WITH {_OBJECT}, {queue_sql.SYNC_REQUEST}{_EVENT}"
"""The object of the first delivery stays due until it is applied, so a later delivery of the event
requests nothing."""


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
    def order(self) -> tuple[str, str, str, str]:
        """Deliveries that are stored together lock their objects and events in this order."""
        kind, stripe_id = self.envelope.target or ("", "")
        return self.endpoint.account_id, kind, stripe_id, self.envelope.event_id

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the statement that stores it."""
        envelope = self.envelope
        kind, stripe_id = envelope.target or ("", "")
        return {
            "account_id": self.endpoint.account_id,
            "kind": kind,
            "stripe_id": stripe_id,
            "at_once": False,
            "even_if_unchanged": envelope.type in MOMENTS,
            "id": new_id("iev"),
            "endpoint_id": self.endpoint.pk,
            "event_id": envelope.event_id,
            "type": envelope.type,
            "customer": envelope.customer,
            "event_created_at": envelope.created_at,
            "traceparent": self.traceparent,
            "body": self.body,
            "quarantined": envelope.unusable,
            "report_due_at": self.at if envelope.is_report_missing else None,
            "at": self.at,
        }


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
    row = prepared_statements.fetch_row(_RECEIVE, delivery.parameters)
    _announce([(delivery, row == FIRST)])
    if envelope.report is not None:
        usage_refusals.apply_report(
            account=endpoint.account,
            meter_stripe_id=envelope.report.meter_stripe_id,
            errors_by_identifier=envelope.report.lost,
            at=at,
        )
    return envelope


def receive_together(deliveries: Sequence[Delivery]) -> None:
    """Store events in one transaction, as :func:`receive` stores each of them.

    None of them may be a report of lost usage with its content. Raises Django's database errors;
    nothing is stored then, unless ``prepared_statements.is_outcome_unknown``.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.order)
    parameters = [delivery.parameters for delivery in ordered]
    rows = prepared_statements.fetch_each(_RECEIVE, parameters)
    _announce([(delivery, row == [FIRST]) for delivery, row in zip(ordered, rows, strict=True)])


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


def _announce(stored: Sequence[tuple[Delivery, bool]]) -> None:
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
        enqueue("billing.sync")
    if any(envelope.is_report_missing for envelope in envelopes):
        enqueue("webhooks.fetch_error_reports")
