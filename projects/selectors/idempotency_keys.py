"""The keys that a caller has used, within what belongs to that caller."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from projects.credentials import PlatformCredential, ProjectCredential
from projects.models import IdempotencyKey, OnceOnly, PlatformIdempotencyKey
from projects.models.idempotency_key import KEPT_FOR

Caller = ProjectCredential | PlatformCredential


def of(caller: Caller) -> QuerySet[Any]:
    """Every key of the caller's project, or of the caller's platform key."""
    if isinstance(caller, ProjectCredential):
        return IdempotencyKey.objects.for_project(caller.project)
    return PlatformIdempotencyKey.objects.filter(platform_key_id=caller.key_id)


def lock(*, caller: Caller, key: str) -> OnceOnly | None:
    """The row of this key, locked until the transaction ends; None when it is new."""
    row: OnceOnly | None = of(caller).select_for_update().filter(key=key).first()
    return row


def expired(*, at: datetime) -> list[QuerySet[Any]]:
    """Whatever is no longer kept."""
    return [
        IdempotencyKey.objects.across_projects().filter(created_at__lte=at - KEPT_FOR),
        PlatformIdempotencyKey.objects.filter(created_at__lte=at - KEPT_FOR),
    ]
