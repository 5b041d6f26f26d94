"""The lease of an intent: one worker at an intent, and one intent after the other at a target.

The end of the lease is also its fence (:mod:`common.lease`): a worker that took too long changes
nothing any more. It may have asked Stripe as well, but under the same idempotency key.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN
from billing.outbound import selectors as intents
from common import lease
from common.lease import LeaseLost
from common.models import ProjectQuerySet

LEASE = timedelta(seconds=30)
"""Longer than the SDK takes with all of its tries, shorter than a minute."""


def take(intent: StripeIntent) -> bool:
    """Lease this intent. False while another worker holds it, while an intent that must end first
    is open, and when this one is finished."""
    with transaction.atomic():
        if intent.target:
            intents.lock_target(intent)
            if intents.blocking(intent).exists():
                return False
        is_taken = lease.take(_row(intent).filter(state__in=OPEN), duration=LEASE) == 1
        if is_taken:
            intent.refresh_from_db()
    return is_taken


def write(intent: StripeIntent, **values: Any) -> None:
    """Store progress and keep the lease. Raises LeaseLost."""
    _write(lease.write, intent, values)


def release(intent: StripeIntent, **values: Any) -> None:
    """Store the result and end the lease. Raises LeaseLost."""
    _write(lease.release, intent, values)


def _write(store: Callable[..., bool], intent: StripeIntent, values: dict[str, Any]) -> None:
    if not store(_row(intent), key=intent.pk, fence=intent.leased_until, **values):
        raise LeaseLost
    intent.refresh_from_db()


def _row(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    return StripeIntent.objects.for_project(intent.project_id).filter(pk=intent.pk)
