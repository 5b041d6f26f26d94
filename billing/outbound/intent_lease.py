"""The lease of an intent: one worker at an intent, and one intent after the other at a target.

The end of the lease is also its fence (:mod:`common.lease`): a worker that took too long changes
nothing any more. It may have asked Stripe as well, but under the same idempotency key.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.expressions import BaseExpression

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN
from billing.outbound import selectors as intents
from common import lease, prepared_statements
from common.lease import LeaseLost
from common.models import ProjectQuerySet

LEASE = timedelta(seconds=30)
"""Longer than the SDK takes with all of its tries, shorter than a minute."""

PROGRESS = (
    "state",
    "key_generation",
    "stripe_id",
    "attempts",
    "sent_at",
    "asked_at",
    "failed_at",
    "answered_at",
    "finished_at",
    "next_try_at",
    "leased_until",
    "last_error",
)
"""Columns that workers change; the others stay as the intent was planned."""
TAKE = f"""
UPDATE billing_stripeintent SET leased_until = statement_timestamp() + %(duration)s
WHERE project_id = %(project_id)s AND id = %(id)s AND state = ANY(%(open)s) AND {lease.IS_FREE}
RETURNING {", ".join(PROGRESS)}
"""  # noqa: S608  # made of constants


def take(intent: StripeIntent) -> bool:
    """Lease this intent, and read its progress. False while another worker holds it, while an
    intent that must end first is open, and when this one is finished."""
    if not intent.target:
        return _take(intent)
    with transaction.atomic():
        intents.lock_target(intent)
        return not intents.blocking(intent).exists() and _take(intent)


def _take(intent: StripeIntent) -> bool:
    row = prepared_statements.fetch_row(
        TAKE,
        {
            "project_id": intent.project_id,
            "id": intent.pk,
            "open": sorted(OPEN),
            "duration": LEASE,
        },
    )
    for name, value in zip(PROGRESS, row or (), strict=row is not None):
        setattr(intent, name, value)
    return row is not None


def write(intent: StripeIntent, **values: Any) -> None:
    """Store progress and keep the lease. Raises LeaseLost."""
    _write(lease.write, intent, values, leased_until=intent.leased_until)


def release(intent: StripeIntent, **values: Any) -> None:
    """Store the result and end the lease. Raises LeaseLost."""
    _write(lease.release, intent, values, leased_until=None)


def _write(
    store: Callable[..., bool],
    intent: StripeIntent,
    values: dict[str, Any],
    *,
    leased_until: datetime | None,
) -> None:
    """Store the values in the row and in ``intent``; what the database computes is read back."""
    if not store(_row(intent), key=intent.pk, fence=intent.leased_until, **values):
        raise LeaseLost
    computed = [name for name, value in values.items() if isinstance(value, BaseExpression)]
    for name, value in {**values, "leased_until": leased_until}.items():
        setattr(intent, name, value)
    if computed:
        intent.refresh_from_db(fields=computed)


def _row(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    return StripeIntent.objects.for_project(intent.project_id).filter(pk=intent.pk)
