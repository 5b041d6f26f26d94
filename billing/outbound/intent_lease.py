"""Whose turn it is: one worker at an intent, and at one target one intent after the other.

A turn is a lease by the database's clock. Its end is also its fence: whoever writes down what
became of an intent names the turn, so a worker that took too long changes nothing any more. It
may have asked Stripe as well, but under the same idempotency key.
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
    """Have this intent to ourselves for a while; False while somebody else is at it or at one
    that has to end first, and when it is over."""
    with transaction.atomic():
        if intent.target:
            intents.lock_target(intent)
            if intents.in_the_way(intent).exists():
                return False
        is_taken = lease.take(_row(intent).filter(state__in=OPEN), duration=LEASE) == 1
        if is_taken:
            intent.refresh_from_db()
    return is_taken


def note(intent: StripeIntent, **values: Any) -> None:
    """Write down how far it is. Raises LeaseLost."""
    _write(lease.write, intent, values)


def end(intent: StripeIntent, **values: Any) -> None:
    """Write down what became of it and let go. Raises LeaseLost."""
    _write(lease.release, intent, values)


def _write(store: Callable[..., bool], intent: StripeIntent, values: dict[str, Any]) -> None:
    if not store(_row(intent), key=intent.pk, fence=intent.leased_until, **values):
        raise LeaseLost
    intent.refresh_from_db()


def _row(intent: StripeIntent) -> ProjectQuerySet[StripeIntent]:
    return StripeIntent.objects.for_project(intent.project_id).filter(pk=intent.pk)
