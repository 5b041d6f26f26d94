"""Take an event in: verify, keep the bytes, mark the object, in one transaction; then answer.

No call to Stripe, no Redis, no interpretation. Once Stripe has our 200 it will not tell us again,
so by then the event and the mark are committed.
"""

from datetime import datetime

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from billing.models import StripeEndpoint
from billing.selectors import stripe_accounts
from billing.services import sync
from billing.stripe import signatures
from common.ids import new_id
from common.queue import enqueue
from webhooks.envelope import Envelope, open_envelope
from webhooks.errors import SignatureRefused
from webhooks.models import InboundEvent

log = structlog.get_logger(__name__)

_KEEP = """
INSERT INTO webhooks_inboundevent AS event (
    id, endpoint_id, event_id, type, stripe_object_id, body, sync_id, request_number, quarantined,
    deliveries, received_at, last_received_at)
VALUES (
    %(id)s, %(endpoint_id)s, %(event_id)s, %(type)s, %(stripe_object_id)s, %(body)s, %(sync_id)s,
    %(request_number)s, %(quarantined)s, 1, %(at)s, %(at)s)
ON CONFLICT (endpoint_id, event_id) DO UPDATE SET
    deliveries = event.deliveries + 1, last_received_at = EXCLUDED.last_received_at
"""


def receive(*, endpoint: StripeEndpoint, body: bytes, signature: str, at: datetime) -> Envelope:
    """Keep a signed event, once, and see to it that the object that it names is read again.

    Returns what was understood of it. Raises SignatureRefused; nothing is stored then.
    """
    _verify(endpoint, body, signature, at)
    envelope = open_envelope(body, account=endpoint.account)
    with transaction.atomic():
        is_known = _count_again(endpoint, envelope, at)
        if not is_known:
            _keep(endpoint, body, envelope, at)
    log.info(
        "stripe_event",
        event_id=envelope.event_id,
        type=envelope.type,
        again=is_known,
        unusable=envelope.unusable,
    )
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
        raise SignatureRefused("Check the endpoint's signing secret and the clock.") from error


def _count_again(endpoint: StripeEndpoint, envelope: Envelope, at: datetime) -> bool:
    """Whether the event is known; then this delivery is counted, and nothing else happens.

    What the first delivery marked stays due until it is applied, so no second mark is needed.
    """
    known = InboundEvent.objects.filter(endpoint=endpoint, event_id=envelope.event_id)
    return known.update(deliveries=F("deliveries") + 1, last_received_at=at) > 0


def _keep(endpoint: StripeEndpoint, body: bytes, envelope: Envelope, at: datetime) -> None:
    sync_id = request_number = None
    if envelope.target is not None:
        sync_id, request_number = sync.mark(
            account_id=endpoint.account_id,
            kind=envelope.target.kind,
            stripe_id=envelope.target.stripe_id,
        )
        enqueue("billing.sync")
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "id": new_id("iev"),
                "endpoint_id": endpoint.pk,
                "event_id": envelope.event_id,
                "type": envelope.type,
                "stripe_object_id": envelope.target.stripe_id if envelope.target else "",
                "body": body,
                "sync_id": sync_id,
                "request_number": request_number,
                "quarantined": envelope.unusable,
                "at": at,
            },
        )
