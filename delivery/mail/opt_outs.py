"""Unsubscribing from a kind of message, with a signed token instead of a login."""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.core.signing import BadSignature, Signer

from common.errors import NotFound
from delivery.models import MailOptOut, Notification

PATH = "mail/unsubscribe"
_SALT = "tollgate.mail.unsubscribe"


class OptOutToken(NamedTuple):
    """A person, a kind of message and the project that sends it."""

    project_id: str
    recipient: str
    kind: str


def url_of(row: Notification) -> str:
    """The address of the page where the reader of this message unsubscribes from its kind."""
    signed = Signer(salt=_SALT).sign_object([row.project_id, row.recipient, row.kind])
    return f"{settings.PUBLIC_URL}/{PATH}/{signed}"


def parse(text: str) -> OptOutToken:
    """Raises NotFound for a token that we have not signed."""
    try:
        project_id, recipient, kind = Signer(salt=_SALT).unsign_object(text)
    except (BadSignature, ValueError):
        raise NotFound from None
    return OptOutToken(project_id, recipient, kind)


def record(token: OptOutToken, *, at: datetime) -> None:
    """The person gets no more messages of this kind; a second time changes nothing."""
    row = MailOptOut(
        project_id=token.project_id, recipient=token.recipient, kind=token.kind, created_at=at
    )
    MailOptOut.objects.bulk_create([row], ignore_conflicts=True)
