"""Drop records after the retention; their totals stay."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import OperationalError, connection, transaction

from common import partitions
from common.partitions import Month
from common.queue import enqueue
from usage.models import RetentionProgress
from usage.models.record import RECORD_MONTHS

log = structlog.get_logger(__name__)

BATCH = 5000
PATIENCE = 30.0
"""Seconds after which a run begins no other batch; a task may take 50."""

_FORGET = """
WITH batch AS MATERIALIZED (
    SELECT project_id, customer_id, meter_id, occurred_at, id
    FROM usage_record
    WHERE occurred_at >= %(since)s AND occurred_at < %(until)s
        AND (customer_id, meter_id, occurred_at, id)
            > (%(customer_id)s, %(meter_id)s, %(occurred_at)s, %(record_id)s COLLATE "C")
    ORDER BY customer_id, meter_id, occurred_at, id
    LIMIT %(limit)s
), gone AS (
    DELETE FROM usage_recordkey AS key USING batch
    WHERE key.project_id = batch.project_id AND key.id = batch.id
)
SELECT customer_id, meter_id, occurred_at, id FROM batch
ORDER BY customer_id DESC, meter_id DESC, occurred_at DESC, id DESC LIMIT 1
"""


def drop_old(*, at: datetime, clock: Callable[[], float] = time.monotonic) -> list[Month]:
    """Drop the months that ended before the retention. Returns them.

    Their keys are deleted first, batch by batch, with the progress stored: the next run continues
    there. A table that is too busy to be dropped is left to the next run.
    """
    deadline = clock() + PATIENCE
    dropped = []
    for month in partitions.months(RECORD_MONTHS):
        if not is_over(month, at=at):
            break
        try:
            if not _forget_keys(month, clock, deadline):
                enqueue("usage.drop_old_records")
                break
            _drop(month)
        except OperationalError as error:
            name = RECORD_MONTHS.partition(month)
            log.warning("partition_kept", table=name, error=type(error).__name__)
            break
        dropped.append(month)
    return dropped


def is_over(month: Month, *, at: datetime) -> bool:
    """Whether the month is past its retention, dropped or not."""
    return month.after().starts_at <= at - settings.USAGE.retention


def _forget_keys(month: Month, clock: Callable[[], float], deadline: float) -> bool:
    """Delete the month's keys in batches, each in its own transaction. Returns whether all are
    gone."""
    while clock() < deadline:
        with transaction.atomic():
            if not _forget_batch(month):
                return True
    return False


def _forget_batch(month: Month) -> bool:
    """Delete the batch of keys after the stored progress, and store the new progress; False at
    the end."""
    name = f"{month.year:04d}-{month.month:02d}"
    row = RetentionProgress.objects.filter(month=name).first()
    row = row or RetentionProgress(month=name, occurred_at=month.starts_at)
    parameters: dict[str, Any] = {
        "since": month.starts_at,
        "until": month.after().starts_at,
        "customer_id": row.customer_id,
        "meter_id": row.meter_id,
        "occurred_at": row.occurred_at,
        "record_id": row.record_id,
        "limit": BATCH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, parameters)
        last = cursor.fetchone()
    if last is None:
        return False
    row.customer_id, row.meter_id, row.occurred_at, row.record_id = last
    row.save()
    return True


def _drop(month: Month) -> None:
    partitions.drop(RECORD_MONTHS, month)
    RetentionProgress.objects.filter(month=f"{month.year:04d}-{month.month:02d}").delete()
