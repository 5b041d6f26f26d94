"""Addresses to which a project's mail no longer goes, because it came back or was complained
about."""

from datetime import datetime

from django.db import transaction

from common.inserts import insert
from delivery.mail import representation
from delivery.models import MailSuppression, Notification, SuppressionReason
from delivery.models.notification import OPERATORS
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer


def record(row: Notification, *, reason: SuppressionReason, at: datetime) -> bool:
    """Suppress the address that this message was sent to, and record ``mail.undeliverable``. A
    second report changes nothing. Returns whether the address is new."""
    if not row.address_digest or row.recipient == OPERATORS:  # no matter of the project's
        return False
    with transaction.atomic():
        customer = _lock_customer(row)
        suppression = MailSuppression(
            project_id=row.project_id,
            digest=row.address_digest,
            reason=reason,
            notification=row.pk,
            recipient=row.recipient,
            created_at=at,
        )
        if not insert(suppression):
            return False
        outbox.record(
            project_id=row.project_id,
            event_type=EventType.MAIL_UNDELIVERABLE,
            subject=row.pk,
            customer_id=customer.pk if customer else "",
            version=customer.version if customer else 0,
            data=representation.undeliverable(row, reason),
            at=at,
        )
    return True


def lift(suppression: MailSuppression, *, actor: str, reason: str, at: datetime) -> None:
    """Write to the address again. Audited."""
    with transaction.atomic():
        suppression.delete()
        audit.record(
            actor=actor,
            action="mail.suppression_lifted",
            subject=suppression.recipient,
            project_id=suppression.project_id,
            reason=reason,
            at=at,
        )


def _lock_customer(row: Notification) -> Customer | None:
    """The customer that was written to, locked; None if it was the project's own people."""
    if row.recipient == row.project_id:
        return None
    return customers.lock(project_id=row.project_id, customer_id=row.recipient)
