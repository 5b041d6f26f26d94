"""Rows of money that moved in a time: what the API's metrics and the console's home page add up.

All of them are rows of every project: the caller limits them.
"""

from datetime import datetime

from billing.models import Dispute, Payment, Refund
from billing.models.dispute import IS_WITHHELD
from common.models import ProjectQuerySet

REFUNDED = "succeeded"
"""Stripe's status of a refund whose money has gone back."""


def payments(*, start: datetime, end: datetime) -> ProjectQuerySet[Payment]:
    """Payments that were paid in ``[start, end)``; add up ``amount_received``."""
    return Payment.objects.across_projects().filter(paid_at__gte=start, paid_at__lt=end)


def refunds(*, start: datetime, end: datetime) -> ProjectQuerySet[Refund]:
    """Refunds that were made in ``[start, end)`` and have succeeded; add up ``amount``."""
    rows = Refund.objects.across_projects().filter(status=REFUNDED)
    return rows.filter(refunded_at__gte=start, refunded_at__lt=end)


def withheld_disputes(*, start: datetime, end: datetime) -> ProjectQuerySet[Dispute]:
    """Disputes that were opened in ``[start, end)`` and whose money the bank holds, for now or for
    good; add up ``amount``."""
    rows = Dispute.objects.across_projects().filter(IS_WITHHELD)
    return rows.filter(opened_at__gte=start, opened_at__lt=end)
