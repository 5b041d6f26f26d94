"""Periodic tasks of the events app; the work is in the services."""

from celery import shared_task
from django.utils import timezone

from common import partitions
from events.log import retention, sequencer
from events.models.logged_event import LOG_MONTHS
from events.models.outbox_event import OUTBOX_MONTHS


@shared_task(name="events.number")
def number() -> None:
    sequencer.run()


@shared_task(name="events.drop_old")
def drop_old() -> None:
    retention.drop_old(at=timezone.now())


@shared_task(name="events.make_partitions")
def make_partitions() -> None:
    for table in (OUTBOX_MONTHS, LOG_MONTHS):
        partitions.make(table, at=timezone.now())
