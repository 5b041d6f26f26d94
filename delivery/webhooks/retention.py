"""Drop old deliveries and attempts, and blank what the receivers of erased customers answered."""

from datetime import datetime, timedelta

import structlog
from django.db import OperationalError

from common import partitions
from common.partitions import MonthlyTable
from delivery.models import (
    ReplayState,
    WebhookAttempt,
    WebhookCheck,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookReplay,
)
from delivery.models.webhook_attempt import ATTEMPT_MONTHS
from delivery.models.webhook_delivery import DELIVERY_MONTHS
from projects.models import Customer

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
"""Deliveries and attempts are kept for at least as long."""
ERASED_WITHIN = timedelta(days=7)
"""Erased customers whose attempts are looked for; longer than the task can be late."""
BATCH = 1000


def make_partitions(*, at: datetime) -> None:
    """Create the partitions of the coming months."""
    for table in (DELIVERY_MONTHS, ATTEMPT_MONTHS):
        partitions.make(table, at=at)


def drop_old(*, at: datetime) -> None:
    """Drop months that are over for longer than KEPT, old replays, and deleted endpoints of which
    nothing is left."""
    for table in (ATTEMPT_MONTHS, DELIVERY_MONTHS):
        _drop_months(table, at)
    old = at - KEPT
    replays = WebhookReplay.objects.across_projects().exclude(state=ReplayState.RUNNING)
    replays.filter(finished_at__lt=old).delete()
    WebhookCheck.objects.across_projects().filter(created_at__lt=old).delete()
    _delete_endpoints(at - 3 * KEPT)
    _forget_erased_customers(at)


def _drop_months(table: MonthlyTable, at: datetime) -> None:
    for month in partitions.months(table):
        if month.after().starts_at + KEPT > at:
            return
        try:
            partitions.drop(table, month)
        except OperationalError as error:
            name = table.partition(month)
            log.warning("partition_kept", table=name, error=type(error).__name__)
            return


def _delete_endpoints(deleted_before: datetime) -> None:
    """Delete endpoints that were deleted so long ago that their deliveries are dropped."""
    rows = WebhookEndpoint.objects.across_projects().filter(deleted_at__lt=deleted_before)
    keys = list(rows.values_list("pk", flat=True)[:BATCH])
    WebhookReplay.objects.across_projects().filter(endpoint__in=keys).delete()
    WebhookDelivery.objects.across_projects().filter(endpoint__in=keys).delete()
    rows.filter(pk__in=keys).delete()


def _forget_erased_customers(at: datetime) -> None:
    """What a receiver answers may contain the customer."""
    erased = Customer.objects.across_projects().filter(deleted_at__gte=at - ERASED_WITHIN)
    for customer in erased.iterator():
        rows = WebhookAttempt.objects.for_project(customer.project_id)
        rows.filter(customer_id=customer.pk).exclude(response_body=b"").update(response_body=b"")
