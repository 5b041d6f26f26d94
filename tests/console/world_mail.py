"""Rows of the console's pages about messages."""

from datetime import datetime, timedelta

from delivery.mail import kinds
from delivery.models import Channel, MailSettings, MailSuppression, Notification, SuppressionReason
from projects.models import Customer, Project


def create_mail_settings(project: Project, name: str) -> MailSettings:
    return MailSettings.objects.for_project(project).create(
        channel=Channel.MAIL, kinds=list(kinds.NAMES), brand_name=name, sender_name=name
    )


def create_notification(customer: Customer, name: str, number: int, now: datetime) -> Notification:
    return Notification.objects.for_project(customer.project).create(
        source=f"evt_{number}",
        kind="credits_low",
        recipient=customer.pk,
        subject=customer.pk,
        channel=Channel.MAIL,
        state="unknown",
        reason=name[:60],
        due_at=now,
        useless_at=now + timedelta(days=3),
        created_at=now,
    )


def create_suppression(customer: Customer, number: int, now: datetime) -> MailSuppression:
    return MailSuppression.objects.for_project(customer.project).create(
        digest=f"{number:064d}",
        reason=SuppressionReason.BOUNCED,
        notification=f"ntf_{number}",
        recipient=customer.pk,
        created_at=now,
    )
