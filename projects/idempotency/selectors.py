"""The keys that a caller has used, within what belongs to that caller."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, DurationField, F, QuerySet, When
from django.db.models.functions import Coalesce, Now

from projects.keys.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.models import IdempotencyKey, OnceOnly, PlatformIdempotencyKey
from projects.models.idempotency_key import KEPT_FOR, OLD_LOCK

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
    """The row of this key, locked until the transaction ends; None when it is new.

    Its ``lease_left`` is a timedelta: how long the request under way may still be alive for all
    that is known; None when none is under way.
    """
    rows = _with_lease(of(caller)).select_for_update()
    row: OnceOnly | None = rows.filter(key=stored(caller=caller, key=key)).first()
    return row


def lock_many(model: type[OnceOnly], *, held: Mapping[str, datetime | None]) -> list[str]:
    """The ids of those rows that are still held since the given moments, locked; one that another
    transaction is writing is left out."""
    rows = every(model).filter(pk__in=held).select_for_update(skip_locked=True)
    found = rows.values_list("pk", "locked_at")
    return [pk for pk, locked_at in found if locked_at == held[pk]]


def lease_left(*, caller: Caller, row_id: str) -> timedelta | None:
    """As ``lock`` says of a row, without locking it."""
    rows = _with_lease(of(caller)).filter(pk=row_id)
    left: timedelta | None = rows.values_list("lease_left", flat=True).first()
    return left


def every(model: type[OnceOnly]) -> QuerySet[Any]:
    """Every caller's keys of this kind."""
    if issubclass(model, IdempotencyKey):
        return model.objects.across_projects()
    return PlatformIdempotencyKey.objects.all()


def expired(*, at: datetime) -> list[QuerySet[Any]]:
    """Whatever is no longer kept."""
    return [
        IdempotencyKey.objects.across_projects().filter(created_at__lte=at - KEPT_FOR),
        PlatformIdempotencyKey.objects.filter(created_at__lte=at - KEPT_FOR),
    ]


def _with_lease(rows: QuerySet[Any]) -> QuerySet[Any]:
    end = Coalesce(F("locked_until"), F("locked_at") + OLD_LOCK)
    left = Case(When(locked_at__isnull=False, then=end - Now()), output_field=DurationField())
    annotated: QuerySet[Any] = rows.annotate(lease_left=left)
    return annotated
