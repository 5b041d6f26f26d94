"""Requests under an idempotency key, and the rows that they leave."""

from datetime import UTC, datetime, timedelta

from django.db.models.functions import Now

from projects.models import (
    IdempotencyKey,
    Project,
)

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ONCE = {"Idempotency-Key": "order-1"}


def rows(project: Project) -> list[IdempotencyKey]:
    return list(IdempotencyKey.objects.for_project(project))


def let_the_lease_end(project: Project, *, left: timedelta = timedelta(0)) -> None:
    IdempotencyKey.objects.for_project(project).update(locked_until=Now() + left)
