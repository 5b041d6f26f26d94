"""Wake-up tasks of the webhooks app; they read the clock."""

from celery import shared_task
from django.utils import timezone

from webhooks.services import catch_up as missed
from webhooks.services import erasure, error_reports


@shared_task(name="webhooks.catch_up")
def catch_up() -> None:
    missed.catch_up_everywhere(at=timezone.now())


@shared_task(name="webhooks.fetch_error_reports")
def fetch_error_reports() -> None:
    error_reports.fetch_due(at=timezone.now())


@shared_task(name="webhooks.forget_erased")
def forget_erased() -> None:
    erasure.forget_late(at=timezone.now())
