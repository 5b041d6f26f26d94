"""Periodic tasks."""

from celery import shared_task
from django.utils import timezone

from projects.idempotency import service as idempotency


@shared_task(name="projects.purge_idempotency_keys")
def purge_idempotency_keys() -> None:
    idempotency.purge(at=timezone.now())
