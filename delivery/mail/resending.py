"""Send a message again that a person has decided about."""

from datetime import datetime, timedelta

from django.db import transaction

from delivery.errors import NotificationFinished
from delivery.mail import selectors
from delivery.models import Notification, NotificationState
from events.audit import audit_trail as audit

USEFUL_FOR = timedelta(days=1)
DECIDABLE = (NotificationState.UNKNOWN, NotificationState.REFUSED)


def send_again(
    *, notification: Notification, actor: str, reason: str, at: datetime
) -> Notification:
    """Plan it anew: the reader may get it twice if the first one arrived. Audited.

    Raises NotificationFinished for one whose result is known or still to come.
    """
    with transaction.atomic():
        row = selectors.lock(project_id=notification.project_id, notification_id=notification.pk)
        if row is None or row.state not in DECIDABLE:
            raise NotificationFinished("Only unknown and refused messages are sent again.")
        before = {"state": row.state, "reason": row.reason}
        row.state, row.reason = NotificationState.PLANNED, ""
        row.due_at, row.useless_at = at, max(row.useless_at, at + USEFUL_FOR)
        row.tried_at = row.leased_until = None
        row.save()
        audit.record(
            actor=actor,
            action="notification.send_again",
            subject=row.pk,
            project_id=row.project_id,
            reason=reason,
            before=before,
            after={"state": row.state},
            at=at,
        )
    return row
