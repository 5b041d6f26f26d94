"""The one task of the wiring itself."""

from celery import shared_task
from django.utils import timezone

from common import heartbeats

PIPELINE = "pipeline"
"""The way from beat through the broker to a worker: it beats when all three are alive."""


@shared_task(name="config.heartbeat")
def heartbeat() -> None:
    heartbeats.beat(name=PIPELINE, at=timezone.now())
