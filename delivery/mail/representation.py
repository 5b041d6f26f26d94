"""Mail settings and messages as JSON."""

from typing import Annotated, TypedDict

from delivery.mail.kinds import NAMES
from delivery.models import Channel, MailSettings, Notification, SuppressionReason


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
