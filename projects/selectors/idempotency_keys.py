"""The keys that a caller has used, within what belongs to that caller."""

import hashlib
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from projects.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.models import IdempotencyKey, OnceOnly, PlatformIdempotencyKey
from projects.models.idempotency_key import KEPT_FOR

Caller = ProjectCredential | PlatformCredential | UserCredential


def of(caller: Caller) -> QuerySet[Any]:
    """Every key of the caller's project, or of the caller's platform key."""
    if isinstance(caller, PlatformCredential):
        return PlatformIdempotencyKey.objects.filter(platform_key_id=caller.key_id)
    return IdempotencyKey.objects.for_project(caller.project)


def stored(*, caller: Caller, key: str) -> str:
    """How the key is kept: users share their project's rows, and none of them another's keys.

    The separator is a character that no key may hold.
    """
    if not isinstance(caller, UserCredential):
        return key
    told = f"{caller.user_id}\x00{key}"
    return f"user\x01{hashlib.sha256(told.encode()).hexdigest()}"


def lock(*, caller: Caller, key: str) -> OnceOnly | None:
    """The row of this key, locked until the transaction ends; None when it is new."""
    kept = stored(caller=caller, key=key)
    row: OnceOnly | None = of(caller).select_for_update().filter(key=kept).first()
    return row


def expired(*, at: datetime) -> list[QuerySet[Any]]:
    """Whatever is no longer kept."""
    return [
        IdempotencyKey.objects.across_projects().filter(created_at__lte=at - KEPT_FOR),
        PlatformIdempotencyKey.objects.filter(created_at__lte=at - KEPT_FOR),
    ]
