"""Whom a notification is for, as they are now."""

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from delivery.mail import addresses, selectors
from delivery.mail.content import Overtaken
from delivery.mail.kinds import NotificationKind
from delivery.mail.messages import Reader
from delivery.models import Notification, SuppressionReason
from delivery.models.notification import OPERATORS
from projects.models import Customer, Project

RECEIPTS = frozenset({"receipt", "payment_receipt", "refund"})
"""Kinds that a person still gets who has complained about mail: the law wants receipts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The reader and their address."""

    id: str
    address: str
    reader: Reader


def find(row: Notification, kind: NotificationKind) -> Recipient:
    """The person to write to. Raises Overtaken if the person is gone or must not be written to."""
    person = _operators() if row.recipient == OPERATORS else _person(row)
    if not person.address:
        raise Overtaken("no_address")
    try:
        validate_email(person.address)
    except ValidationError:
        raise Overtaken("invalid_address") from None
    _check_suppression(row, kind, person.address)
    return person


def _check_suppression(row: Notification, kind: NotificationKind, address: str) -> None:
    suppression = selectors.suppression_of(
        project_id=row.project_id, digest=addresses.digest(address)
    )
    if suppression is not None and (
        suppression.reason == SuppressionReason.BOUNCED or kind.name not in RECEIPTS
    ):
        raise Overtaken(f"address_{suppression.reason}")
    if kind.is_optional and selectors.has_opted_out(
        project_id=row.project_id, recipient=row.recipient, kind=kind.name
    ):
        raise Overtaken("unsubscribed")


def _operators() -> Recipient:
    return Recipient(id=OPERATORS, address=settings.MAIL.mail_operators, reader=Reader())


def _person(row: Notification) -> Recipient:
    return _of_project(row) if row.recipient == row.project_id else _customer(row)


def _of_project(row: Notification) -> Recipient:
    project = Project.objects.get(pk=row.project_id)
    return Recipient(id=project.pk, address=project.contact_email, reader=Reader())


def _customer(row: Notification) -> Recipient:
    customer = Customer.objects.for_project(row.project_id).filter(pk=row.recipient).first()
    if customer is None or customer.deleted_at is not None:
        raise Overtaken("customer_erased")
    reader = Reader(name=customer.name, locale=customer.locale)
    return Recipient(id=customer.pk, address=customer.email, reader=reader)
