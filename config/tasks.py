"""The task of the config app itself."""

from celery import shared_task
from django.utils import timezone

from common import heartbeats


@shared_task(name="config.heartbeat")
def heartbeat() -> None:
    heartbeats.beat(name=heartbeats.PIPELINE, at=timezone.now())
