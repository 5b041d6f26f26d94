"""Ask Stripe to make what a row of ours stands for, and get one such thing, not two.

The row is committed first and its id goes along as ``tollgate_id``, so whatever happens on the way
(a crash, a lost answer, an error inside Stripe) a later call can finish the work:

* the same idempotency key, as long as Stripe keeps it, gives the same answer;
* after an error inside Stripe the key answers with that error for ever, and after a day it is
  forgotten: then we look for an object that names our row before we ask under a new key.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.db.models import Q

from billing.models.outbound import Outbound
from billing.selectors import intents
from billing.stripe.errors import (
    IdempotencyMismatch,
    StripeCredentialsRefused,
    StripeFailed,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.snapshots import Snapshot
from common.models import ProjectQuerySet

log = structlog.get_logger(__name__)

SnapshotT = TypeVar("SnapshotT", bound=Snapshot)
OutboundT = TypeVar("OutboundT", bound=Outbound)

KEY_LIFE = timedelta(hours=23)
"""Stripe forgets an idempotency key after 24 hours at the earliest."""
LIST_LAG = timedelta(seconds=60)
"""A list at Stripe may not know for this long what has just been made."""
CLOCK_SKEW = timedelta(minutes=10)
"""How much Stripe's clock may differ from ours when we look for what we asked for."""


def once(
    row: Outbound,
    *,
    create: Callable[[str], SnapshotT],
    created_since: Callable[[datetime], Iterable[SnapshotT]],
    at: datetime,
    values: Callable[[SnapshotT], dict[str, Any]] = lambda made: {},
) -> None:
    """Have Stripe make what the row stands for, unless an earlier call did, and store its id.

    ``create`` takes the idempotency key; ``values`` are what else to store of the answer. Raises
    StripeUnavailable while it is not known whether it was made: calling again finishes the work.
    Raises StripeRefused when Stripe said no: nothing was made, and the row is taken back.
    """
    if row.stripe_id:  # by an event, perhaps, that was faster than the answer
        _note(row, asked_at=None)
        return
    try:
        made = _ask(row, create, created_since, at=at)
    except StripeCredentialsRefused:
        raise
    except StripeRefused:
        _rows(row).filter(stripe_id__isnull=True).delete()
        raise
    remember = {"stripe_id": made.stripe_id, **values(made)}
    _rows(row).filter(stripe_id__isnull=True).update(**remember)
    _rows(row).update(asked_at=None)
    row.refresh_from_db()


def request_key(idempotency_key: str, *parts: object) -> str:
    """Recognises a tenant's request when it comes again: by its key if it has one, and content."""
    told = json.dumps([idempotency_key, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def begun(
    rows: ProjectQuerySet[OutboundT], *, key: str, is_named: bool, at: datetime
) -> OutboundT | None:
    """The row that an earlier try of the same request has left, if any.

    A request with an idempotency key of its own (``is_named``) is the same for good; one without
    only while the earlier try has had no answer: after that it asks for one more.
    """
    same = rows.filter(request_key=key, created_at__gt=at - KEY_LIFE)
    unanswered = Q(stripe_id__isnull=True) | Q(asked_at__isnull=False) | intents.unanswered("pk")
    return (same if is_named else same.filter(unanswered)).order_by("id").first()


def _ask(
    row: Outbound,
    create: Callable[[str], SnapshotT],
    created_since: Callable[[datetime], Iterable[SnapshotT]],
    *,
    at: datetime,
) -> SnapshotT:
    """What Stripe made for this row, by this call or an earlier one."""
    if row.failed_at is not None or _key_is_old(row, at):
        found = _find(row, created_since)
        if found is not None:
            return found
        _choose_key(row, at)
    _note(row, asked_at=row.asked_at or at)
    try:
        return create(f"{row.pk}-{row.key_generation}")
    except StripeFailed as failure:
        _note(row, failed_at=row.failed_at if row.failed_at and failure.replayed else at)
        raise
    except IdempotencyMismatch as mismatch:
        return _recover(row, created_since, mismatch, at=at)


def _recover(
    row: Outbound,
    created_since: Callable[[datetime], Iterable[SnapshotT]],
    mismatch: IdempotencyMismatch,
    *,
    at: datetime,
) -> SnapshotT:
    """The row was changed between two tries: what the first one made counts."""
    found = _find(row, created_since)
    if found is not None:
        return found
    _note(row, failed_at=row.failed_at or at)
    raise _still_looking() from mismatch


def _choose_key(row: Outbound, at: datetime) -> None:
    """A new key once nothing can have been made under the old one, else the old one again.

    A list that does not name our row is proof only when it is old enough. An old key that Stripe
    may have forgotten is never sent blindly.
    """
    if row.failed_at is None or at - row.failed_at > LIST_LAG:
        log.info("stripe_key_renewed", row=row.pk, generation=row.key_generation + 1)
        _note(row, key_generation=row.key_generation + 1, asked_at=None, failed_at=None)
    elif _key_is_old(row, at):
        raise _still_looking()


def _still_looking() -> StripeUnavailable:
    return StripeUnavailable(
        "An earlier try is still being looked for. Send the same request again in a minute.",
        retry_after=int(LIST_LAG.total_seconds()),
    )


def _find(
    row: Outbound, created_since: Callable[[datetime], Iterable[SnapshotT]]
) -> SnapshotT | None:
    made = created_since(row.created_at - CLOCK_SKEW)
    return next((found for found in made if found.our_id == row.pk), None)


def _key_is_old(row: Outbound, at: datetime) -> bool:
    return row.asked_at is not None and at - row.asked_at > KEY_LIFE


def _note(row: Outbound, **values: object) -> None:
    """Write down what we know about the request, beside whatever else happens to the row."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if changed:
        _rows(row).update(**changed)
        for name, value in changed.items():
            setattr(row, name, value)


def _rows(row: Outbound) -> ProjectQuerySet[Outbound]:
    return type(row).objects.for_project(row.project_id).filter(pk=row.pk)
