"""Celery tasks: wake-ups and periodic work; the services do the work."""

from celery import shared_task
from django.utils import timezone

from entitlements.consumption import reservation_expiry
from entitlements.credits import credit_expiry
from entitlements.facts import notices
from entitlements.free_tier import rechecks
from entitlements.grants import service as grants
from entitlements.notices import thresholds

BATCH = 500
"""Rows per run; the next run takes the rest."""


@shared_task(name="entitlements.expire_grants")
def expire_grants() -> None:
    grants.expire_due(at=timezone.now(), limit=BATCH)


@shared_task(name="entitlements.expire_credits")
def expire_credits() -> None:
    credit_expiry.expire_due(at=timezone.now(), limit=BATCH)


@shared_task(name="entitlements.tell_due")
def tell_due() -> None:
    notices.notify_due(at=timezone.now(), limit=BATCH)


@shared_task(name="entitlements.expire_reservations")
def expire_reservations() -> None:
    reservation_expiry.expire_due(at=timezone.now(), limit=BATCH)


@shared_task(name="entitlements.hold_limits")
def hold_limits() -> None:
    thresholds.notify_due(at=timezone.now(), limit=BATCH)


@shared_task(name="entitlements.recheck")
def recheck() -> None:
    rechecks.run_due(at=timezone.now())
