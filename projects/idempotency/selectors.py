"""Idempotency keys of one caller."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, DurationField, F, QuerySet, When
from django.db.models.functions import Coalesce, Now

from projects.keys.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.models import IdempotencyKey, IdempotencyRecord, PlatformIdempotencyKey
from projects.models.idempotency_key import KEPT_FOR, LEGACY_LOCK_TIME

Caller = ProjectCredential | PlatformCredential | UserCredential


def of(caller: Caller) -> QuerySet[Any]:
    """The keys of the caller's project, or of the caller's platform key."""
    if isinstance(caller, PlatformCredential):
        return PlatformIdempotencyKey.objects.filter(platform_key_id=caller.key_id)
    return IdempotencyKey.objects.for_project(caller.project)


def stored_key(*, caller: Caller, key: str) -> str:
    """The key as stored: users share their project's rows and must not share keys.

    The separator is a character that no key may contain.
    """
    if not isinstance(caller, UserCredential):
        return key
    text = f"{caller.user_id}\x00{key}"
    return f"user\x01{hashlib.sha256(text.encode()).hexdigest()}"


def lock(*, caller: Caller, key: str) -> IdempotencyRecord | None:
    """The row of this key, locked until the transaction ends; None for a new key.

    ``lease_left`` is the timedelta until the lease of the request in progress ends; None without
    one.
    """
    rows = _with_lease(of(caller)).select_for_update()
    row: IdempotencyRecord | None = rows.filter(key=stored_key(caller=caller, key=key)).first()
    return row


def lock_many(
    model: type[IdempotencyRecord], *, locked_at_by_id: Mapping[str, datetime | None]
) -> list[str]:
    """Ids of rows still locked since the given moments; rows that another transaction writes are
    skipped."""
    rows = (
        keys_of_all_callers(model)
        .filter(pk__in=locked_at_by_id)
        .select_for_update(skip_locked=True)
    )
    locked = rows.values_list("pk", "locked_at")
    return [pk for pk, locked_at in locked if locked_at == locked_at_by_id[pk]]


def lease_left(*, caller: Caller, row_id: str) -> timedelta | None:
    """The ``lease_left`` of a row, without locking it."""
    rows = _with_lease(of(caller)).filter(pk=row_id)
    left: timedelta | None = rows.values_list("lease_left", flat=True).first()
    return left


def keys_of_all_callers(model: type[IdempotencyRecord]) -> QuerySet[Any]:
    """Every caller's keys of this model."""
    if issubclass(model, IdempotencyKey):
        return model.objects.across_projects()
    return PlatformIdempotencyKey.objects.all()


def expired(*, at: datetime) -> list[QuerySet[Any]]:
    """Keys past their retention."""
    return [
        IdempotencyKey.objects.across_projects().filter(created_at__lte=at - KEPT_FOR),
        PlatformIdempotencyKey.objects.filter(created_at__lte=at - KEPT_FOR),
    ]


def _with_lease(rows: QuerySet[Any]) -> QuerySet[Any]:
    end = Coalesce(F("locked_until"), F("locked_at") + LEGACY_LOCK_TIME)
    left = Case(When(locked_at__isnull=False, then=end - Now()), output_field=DurationField())
    annotated: QuerySet[Any] = rows.annotate(lease_left=left)
    return annotated
