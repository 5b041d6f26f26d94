"""Process a stored event again, from its raw bytes."""

from datetime import datetime

from django.db import transaction

from billing.sync import service as sync
from common.queue import enqueue
from events.audit import audit_trail as audit
from webhooks.envelope import open_envelope
from webhooks.errors import NothingToRead
from webhooks.models import InboundEvent
from webhooks.services import error_reports


def replay(*, event: InboundEvent, actor: str, at: datetime, reason: str = "") -> InboundEvent:
    """Request a sync of the event's object at once; a parked object is resumed.

    A report of lost usage that came without its content is fetched again. The bytes are parsed
    again, so an event that was unusable at its arrival may be usable now. Raises NothingToRead if
    not.
    """
    envelope = open_envelope(bytes(event.body), account=event.endpoint.account)
    if envelope.is_report_missing:
        return _fetch_again(event, actor=actor, at=at, reason=reason)
    if envelope.target is None:
        raise NothingToRead(envelope.unusable or f"{event.type} is not about a mirrored object.")
    status_before = event.status
    with transaction.atomic():
        sync_id, event.request_number = sync.request_sync(
            account_id=event.endpoint.account_id,
            kind=envelope.target.kind,
            stripe_id=envelope.target.stripe_id,
            at_once=True,
        )
        event.sync_id = sync_id
        event.stripe_object_id = envelope.target.stripe_id
        event.quarantined = ""
        event.save(update_fields=["sync", "request_number", "stripe_object_id", "quarantined"])
        event.refresh_from_db(fields=["sync"])
        audit.record(
            actor=actor,
            action="inbound_event.replay",
            subject=event.pk,
            project_id=event.sync.project_id if event.sync else None,
            reason=reason,
            before={"status": status_before},
            after={"status": event.status},
            at=at,
        )
        enqueue("billing.sync")
    return event


def _fetch_again(event: InboundEvent, *, actor: str, at: datetime, reason: str) -> InboundEvent:
    with transaction.atomic():
        error_reports.fetch_again(event=event, at=at)
        audit.record(
            actor=actor,
            action="inbound_event.replay",
            subject=event.pk,
            reason=reason,
            before={"status": event.status},
            after={"status": event.status},
            at=at,
        )
        enqueue("webhooks.fetch_error_reports")
    return event
