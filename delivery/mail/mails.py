"""Build the mail of a notification: its headers, text and HTML."""

from email.utils import formataddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from delivery.mail import formats, messages, opt_outs
from delivery.mail.content import Content
from delivery.mail.kinds import NotificationKind
from delivery.mail.people import Recipient
from delivery.models import MailSettings, Notification
from projects.models import Project

TEST_PREFIX = "[Test] "
"""Of subjects of test projects: what they sell is not real."""


def build(
    row: Notification,
    *,
    kind: NotificationKind,
    content: Content,
    person: Recipient,
    mail_settings: MailSettings,
    project: Project,
) -> EmailMultiAlternatives:
    """The mail. Its Message-ID is made from the notification's id, so that every copy has the same
    and most mailboxes show one."""
    unsubscribe_url = opt_outs.url_of(row) if kind.is_optional else ""
    message = messages.write(
        kind=kind,
        content=content,
        settings=mail_settings,
        project_name=project.name,
        reader=person.reader,
        unsubscribe_url=unsubscribe_url,
    )
    sender = settings.MAIL.mail_from
    headers = {
        "Message-ID": f"<{row.pk}@{sender.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
    }
    if unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    name = formats.clean(mail_settings.sender_name or mail_settings.brand_name or project.name)
    reply_to = mail_settings.reply_to or project.contact_email
    mail = EmailMultiAlternatives(
        subject=("" if project.livemode else TEST_PREFIX) + message.subject,
        body=message.text,
        from_email=formataddr((name, sender)),
        to=[person.address],
        reply_to=[reply_to] if reply_to else None,
        headers=headers,
    )
    mail.attach_alternative(message.html, "text/html")
    mail.metadata = {"notification": row.pk}  # type: ignore[attr-defined]  # django-anymail's
    return mail
