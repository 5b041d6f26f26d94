"""Drop events whose month ended more than 30 days ago, with their places in the log."""

from datetime import datetime, timedelta

import structlog
from django.db import OperationalError, transaction

from common import ids, partitions
from common.partitions import Month
from events.models import PendingEvent
from events.models.logged_event import LOG_MONTHS
from events.models.outbox_event import OUTBOX_MONTHS

log = structlog.get_logger(__name__)

KEPT = timedelta(days=30)
"""Events are kept for at least as long."""


def drop_old(*, at: datetime) -> list[Month]:
    """Drop the months that are over for longer than KEPT. Returns them.

    Events and places are dropped in one transaction, so that no place leads to nothing. A month
    with an event that has no position yet stays, and so do all later ones; a table that is too busy
    is left to the next run.
    """
    dropped = []
    for month in partitions.months(OUTBOX_MONTHS):
        if month.after().starts_at + KEPT > at or _has_pending(month):
            break
        try:
            _drop(month)
        except OperationalError as error:
            name = OUTBOX_MONTHS.partition(month)
            log.warning("partition_kept", table=name, error=type(error).__name__)
            break
        dropped.append(month)
    return dropped


def _has_pending(month: Month) -> bool:
    end = ids.first_id("evt", month.after().starts_at)
    return PendingEvent.objects.filter(event_id__lt=end).exists()


def _drop(month: Month) -> None:
    with transaction.atomic():
        if month in partitions.months(LOG_MONTHS):
            partitions.drop(LOG_MONTHS, month)
        partitions.drop(OUTBOX_MONTHS, month)
