"""Mail settings and messages as JSON."""

from typing import Annotated, TypedDict

from common import ids
from common.bodies import Time
from common.times import rfc3339
from delivery.mail.kinds import NAMES
from delivery.models import (
    Channel,
    MailSettings,
    Notification,
    NotificationState,
    SuppressionReason,
)
from events.models import OutboxEvent


class MailSettingsBody(TypedDict):
    """How the project writes to its customers and to its own people."""

    channel: Annotated[str, Channel]
    kinds: Annotated[list[str], "The kinds of messages that are sent: see docs/mail.md."]
    available_kinds: Annotated[list[str], "All kinds that there are."]
    sender_name: Annotated[str, "The name beside our sender address. Empty: the brand's."]
    reply_to: Annotated[str, "Where answers go. Empty: the project's contact address."]
    brand_name: Annotated[str, "Empty: the project's name."]
    color: Annotated[str, "Of the button. Empty: ours."]
    logo_url: str
    renewal_notice_days: Annotated[int, "Days between the notice of a renewal and the renewal."]


class UndeliverableBody(TypedDict):
    """A message that came back. Its address gets no more mail from the project."""

    notification: str
    kind: str
    customer: Annotated[str | None, "Null for a message to the project's own people."]
    reason: Annotated[str, SuppressionReason]


class MessageBody(TypedDict):
    """A message to one person about one thing that happened, without its text."""

    id: str
    kind: Annotated[str, NAMES]
    state: Annotated[str, NotificationState]
    reason: Annotated[str | None, "Why it was not sent, or not yet, as a code."]
    customer: Annotated[str | None, "Our id; null for a message to your own people."]
    subject: Annotated[str, "The id of what the message is about."]
    event: Annotated[str | None, "The id of its event; null if the clock caused the message."]
    channel: Annotated[str, Channel]
    attempts: int
    due_at: Annotated[Time | None, "When it is sent or tried next."]
    sent_at: Time | None
    created_at: Time


def message(row: Notification) -> MessageBody:
    is_event = ids.is_id(row.source, ids.prefix_of(OutboxEvent))
    return {
        "id": row.pk,
        "kind": row.kind,
        "state": row.state,
        "reason": row.reason or None,
        "customer": None if row.recipient == row.project_id else row.recipient,
        "subject": row.subject,
        "event": row.source if is_event else None,
        "channel": row.channel,
        "attempts": row.attempts,
        "due_at": rfc3339(row.due_at) if row.state == NotificationState.PLANNED else None,
        "sent_at": rfc3339(row.sent_at),
        "created_at": rfc3339(row.created_at),
    }


def mail_settings(row: MailSettings) -> MailSettingsBody:
    return {
        "channel": row.channel,
        "kinds": row.kinds,
        "available_kinds": list(NAMES),
        "sender_name": row.sender_name,
        "reply_to": row.reply_to,
        "brand_name": row.brand_name,
        "color": row.color,
        "logo_url": row.logo_url,
        "renewal_notice_days": row.renewal_notice_days,
    }


def undeliverable(row: Notification, reason: SuppressionReason) -> UndeliverableBody:
    return {
        "notification": row.pk,
        "kind": row.kind,
        "customer": None if row.recipient == row.project_id else row.recipient,
        "reason": reason.value,
    }
