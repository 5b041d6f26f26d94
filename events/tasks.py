"""Periodic tasks of the events app; the work is in the services."""

from celery import shared_task
from django.utils import timezone

from common import partitions
from events.models.outbox_event import OUTBOX_MONTHS


@shared_task(name="events.make_partitions")
def make_partitions() -> None:
    partitions.make(OUTBOX_MONTHS, at=timezone.now())
