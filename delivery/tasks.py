"""Periodic tasks."""

from celery import shared_task
from django.utils import timezone

from delivery.mail import clock_notices, planner, retention, sender


@shared_task(name="delivery.plan_mail")
def plan_mail() -> None:
    planner.run(at=timezone.now())


@shared_task(name="delivery.plan_clock_notices")
def plan_clock_notices() -> None:
    clock_notices.run(at=timezone.now())


@shared_task(name="delivery.send_mail")
def send_mail() -> None:
    sender.run(at=timezone.now())


@shared_task(name="delivery.drop_old_mail")
def drop_old_mail() -> None:
    retention.drop_old(at=timezone.now())
