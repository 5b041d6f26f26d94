"""Forget records when their time is over; what they came to stays."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import structlog
from django.conf import settings
from django.db import OperationalError, connection

from usage import arrays
from usage.models import Record
from usage.services import partitions
from usage.services.partitions import Month

log = structlog.get_logger(__name__)

BATCH = 5000
FORGET = """
DELETE FROM usage_recordkey AS key
USING unnest(%(projects)s::text[], %(ids)s::text[]) AS gone (project_id, id)
WHERE key.project_id = gone.project_id AND key.id = gone.id COLLATE "C"
"""


def drop_old(*, at: datetime) -> list[Month]:
    """The months that were dropped: those that ended longer ago than records are kept.

    Their keys go first, so a run that is cut off leaves no key without its record. A table that
    is too busy to be dropped is left to the next run.
    """
    before = at - settings.USAGE.retention
    dropped = []
    for month in partitions.made():
        if month.after().starts_at > before:
            break
        try:
            _forget_keys(month)
            partitions.drop(month)
        except OperationalError as error:
            log.warning("partition_kept", table=month.table, error=type(error).__name__)
            break
        dropped.append(month)
    return dropped


def _forget_keys(month: Month) -> None:
    """A batch at a time, each in a transaction of its own."""
    for batch in _batches(month):
        given = {
            "projects": arrays.of_texts([project_id for project_id, _ in batch]),
            "ids": arrays.of_texts([id_ for _, id_ in batch]),
        }
        with connection.cursor() as cursor:
            cursor.execute(FORGET, given)


def _batches(month: Month) -> Iterator[list[tuple[str, str]]]:
    rows = Record.objects.across_projects().filter(
        occurred_at__gte=month.starts_at, occurred_at__lt=month.after().starts_at
    )
    found = iter(rows.values_list("project_id", "id").iterator(chunk_size=BATCH))
    while batch := list(islice(found, BATCH)):
        yield batch
