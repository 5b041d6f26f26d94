"""What a provider reports about a mail after it was sent. A report changes nothing the second
time."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from delivery.mail import addresses, selectors, suppressions
from delivery.models import Notification, NotificationState, SuppressionReason

log = structlog.get_logger(__name__)

ARRIVED = frozenset({"queued", "sent", "deferred", "delivered", "opened", "clicked"})
"""Types of reports that show that the provider has had the mail (names of django-anymail)."""
RETURNED = frozenset({"bounced", "rejected"})
NO_MAILBOX = frozenset({"bounced", "invalid"})
"""Reasons that are about the address, and not about the content or the provider's policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailReport:
    """``notification_id`` comes from the metadata that was sent with the mail."""

    notification_id: str
    event_type: str
    reject_reason: str = ""
    address: str = ""


def receive(report: MailReport, *, at: datetime) -> bool:
    """Apply the report. Returns False for one that is about no message of ours, or about another
    address than the one that we wrote to."""
    row = selectors.find(report.notification_id)
    if row is None or not _is_about(row, report.address):
        log.warning("mail_report_ignored", event_type=report.event_type)
        return False
    if report.event_type == "complained":
        suppressions.record(row, reason=SuppressionReason.COMPLAINED, at=at)
    elif report.event_type in RETURNED:
        _set_refused(row, report)
        if report.reject_reason in NO_MAILBOX:
            suppressions.record(row, reason=SuppressionReason.BOUNCED, at=at)
    elif report.event_type in ARRIVED:
        _resolve_unknown(row, at)
    return True


def _is_about(row: Notification, address: str) -> bool:
    return not address or addresses.digest(address) == row.address_digest


def _set_refused(row: Notification, report: MailReport) -> None:
    reason = f"{report.event_type}_{report.reject_reason or 'other'}"[:64]
    rows = Notification.objects.for_project(row.project_id).filter(
        pk=row.pk, state__in=[NotificationState.SENT, NotificationState.UNKNOWN]
    )
    rows.update(state=NotificationState.REFUSED, reason=reason)


def _resolve_unknown(row: Notification, at: datetime) -> None:
    """The provider has the mail whose result we did not see."""
    rows = Notification.objects.for_project(row.project_id).filter(
        pk=row.pk, state=NotificationState.UNKNOWN
    )
    rows.update(state=NotificationState.SENT, reason="", sent_at=at)
