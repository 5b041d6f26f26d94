"""Receive an event: verify it, store its bytes and request a sync of its object; then answer.

No request to Stripe, no Redis, no interpretation. Stripe does not repeat an event after our 200, so
the event and the request are committed by then, with one statement. It is SQL, because the ORM
cannot express a row that depends on another write; it is constant, and each connection plans it
once.

The row is the record of the event: only an event that cannot be used is logged as well.
"""

from datetime import datetime

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


def receive(*, endpoint: StripeEndpoint, body: bytes, signature: str, at: datetime) -> Envelope:
    """Store a signed event once, and request a sync of its object.

    A report of lost usage is applied at each delivery, which changes nothing the second time:
    Stripe gets no 200 before it has worked, and sends it again. A report without its content is
    fetched later (``webhooks.services.error_reports``).

    Returns the parsed event. Raises SignatureRefused; nothing is stored then.
    """
    _verify(endpoint, body, signature, at)
    envelope = open_envelope(body, account=endpoint.account)
    is_new = _store(endpoint, body, envelope, at)
    if is_new:
        event_metrics.record_stored(
            created_at=envelope.created_at, is_usable=not envelope.unusable, at=at
        )
    else:
        event_metrics.REPEATED.inc()
    if is_new and envelope.target is not None:
        enqueue("billing.sync")
    if is_new and envelope.is_report_missing:
        enqueue("webhooks.fetch_error_reports")
    if envelope.report is not None:
        usage_refusals.apply_report(
            account=endpoint.account,
            meter_stripe_id=envelope.report.meter_stripe_id,
            errors_by_identifier=envelope.report.lost,
            at=at,
        )
    if envelope.unusable:
        log.warning("stripe_event_unusable", event_id=envelope.event_id, why=envelope.unusable)
    return envelope


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


def _store(endpoint: StripeEndpoint, body: bytes, envelope: Envelope, at: datetime) -> bool:
    """Store the event. Returns False for a stored event: only its delivery is counted."""
    kind, stripe_id = envelope.target or ("", "")
    row = prepared_statements.fetch_row(
        _RECEIVE,
        {
            "account_id": endpoint.account_id,
            "kind": kind,
            "stripe_id": stripe_id,
            "at_once": False,
            "even_if_unchanged": envelope.type in MOMENTS,
            "id": new_id("iev"),
            "endpoint_id": endpoint.pk,
            "event_id": envelope.event_id,
            "type": envelope.type,
            "customer": envelope.customer,
            "event_created_at": envelope.created_at,
            "traceparent": traces.current_header(),
            "body": body,
            "quarantined": envelope.unusable,
            "report_due_at": at if envelope.is_report_missing else None,
            "at": at,
        },
    )
    return row == (1,)
