"""Delete old notifications, and what is stored about the addresses of erased customers."""

from datetime import datetime, timedelta

from delivery.models import MailOptOut, MailSuppression, Notification, NotificationState
from projects.models import Customer

ERASED_WITHIN = timedelta(days=7)
"""Erased customers whose addresses are looked for; longer than the task can be late."""
KEPT = timedelta(days=180)
"""Longer than any notice period, so that no renewal is announced twice."""
BATCH = 5000
OPEN = (NotificationState.PLANNED, NotificationState.SENDING)


def drop_old(*, at: datetime) -> int:
    """Delete up to ``BATCH`` old notifications. Returns how many."""
    _forget_erased_customers(at)
    rows = Notification.objects.across_projects()
    old = rows.filter(created_at__lt=at - KEPT).exclude(state__in=OPEN).order_by("created_at")
    keys = list(old.values_list("pk", flat=True)[:BATCH])
    return rows.filter(pk__in=keys).delete()[0]


def _forget_erased_customers(at: datetime) -> None:
    """A digest of an address still tells whose it was to somebody who has the address."""
    erased = Customer.objects.across_projects().filter(deleted_at__gte=at - ERASED_WITHIN)
    for customer in erased.iterator():
        for model in (MailSuppression, MailOptOut):
            model.objects.for_project(customer.project_id).filter(recipient=customer.pk).delete()
        sent = Notification.objects.for_project(customer.project_id).filter(recipient=customer.pk)
        sent.exclude(address_digest="").update(address_digest="", provider_id="")
