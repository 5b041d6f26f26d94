"""Periodic tasks; the services do the work."""

from celery import shared_task
from django.utils import timezone

from common import partitions
from usage.models.record import RECORD_MONTHS
from usage.records import retention


@shared_task(name="usage.make_partitions")
def make_partitions() -> None:
    partitions.make(RECORD_MONTHS, at=timezone.now())


@shared_task(name="usage.drop_old_records")
def drop_old_records() -> None:
    retention.drop_old(at=timezone.now())
