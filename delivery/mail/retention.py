"""Delete old notifications, and what is stored about the addresses of erased customers."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from delivery.models import MailOptOut, MailSuppression, Notification, NotificationState
from projects.models import Customer

KEPT = timedelta(days=180)
"""Longer than any notice period, so that no renewal is announced twice."""
BATCH = 5000
OPEN = (NotificationState.PLANNED, NotificationState.SENDING)


def drop_old(*, at: datetime) -> int:
    """Delete up to ``BATCH`` old notifications. Returns how many."""
    _forget_erased_customers()
    rows = Notification.objects.across_projects()
    old = rows.filter(created_at__lt=at - KEPT).exclude(state__in=OPEN).order_by("created_at")
    keys = list(old.values_list("pk", flat=True)[:BATCH])
    return rows.filter(pk__in=keys).delete()[0]


def _forget_erased_customers() -> None:
    """A digest of an address still tells whose it was to somebody who has the address."""
    erased = Customer.objects.across_projects().filter(
        deleted_at__isnull=False, project_id=OuterRef("project_id"), pk=OuterRef("recipient")
    )
    MailSuppression.objects.across_projects().filter(Exists(erased)).delete()
    MailOptOut.objects.across_projects().filter(Exists(erased)).delete()
    notifications = Notification.objects.across_projects().exclude(address_digest="")
    notifications.filter(Exists(erased)).update(address_digest="", provider_id="")
