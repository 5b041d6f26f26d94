"""The lease of an intent: one worker at an intent, and one intent after the other at a target.

The end of the lease is also its fence (:mod:`common.lease`): a worker that took too long changes
nothing any more. It may have asked Stripe as well, but under the same idempotency key.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN
from billing.outbound import selectors as intents
from common import lease, prepared_statements
from common.lease import LeaseLost

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

TIMES = ("leased_until", "next_try_at", "updated_at")
"""Columns that the database may compute when progress is stored."""
WRITE = f"""
UPDATE billing_stripeintent SET {{assignments}}
WHERE project_id = %(project_id)s AND id = %(id)s AND leased_until = %(fence)s
RETURNING {", ".join(TIMES)}
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
    if row is None:
        return False
    for name, value in zip(PROGRESS, row, strict=True):
        setattr(intent, name, value)
    return True


def write(intent: StripeIntent, **values: Any) -> None:
    """Store progress and keep the lease. Raises LeaseLost."""
    _write(intent, {}, values)


def release(intent: StripeIntent, *, pause: timedelta | None = None, **values: Any) -> None:
    """Store the result and end the lease; after a ``pause`` the intent is due again. Raises
    LeaseLost."""
    computed = {"leased_until": "NULL"}
    if pause is not None:
        computed["next_try_at"] = "statement_timestamp() + %(pause)s"
    _write(intent, computed, values, pause=pause)


def _write(
    intent: StripeIntent,
    computed: dict[str, str],
    values: dict[str, Any],
    *,
    pause: timedelta | None = None,
) -> None:
    """Store values and what the database computes, in the row and in ``intent``."""
    columns = {
        "updated_at": "statement_timestamp()",
        **computed,
        **{name: f"%({name})s" for name in values},
    }
    assignments = ", ".join(f"{name} = {value}" for name, value in columns.items())
    held = {"project_id": intent.project_id, "id": intent.pk, "fence": intent.leased_until}
    row = prepared_statements.fetch_row(
        WRITE.format(assignments=assignments), {**held, "pause": pause, **values}
    )
    if row is None:
        raise LeaseLost
    for name, value in (values | dict(zip(TIMES, row, strict=True))).items():
        setattr(intent, name, value)
