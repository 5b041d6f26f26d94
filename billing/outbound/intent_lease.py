"""Whose turn it is: one worker at an intent, and at one target one intent after the other.

A turn is a lease by the database's clock. Its end is also its fence: whoever writes down what
became of an intent names the turn, so a worker that took too long changes nothing any more. It
may have asked Stripe as well, but under the same idempotency key.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN
from billing.outbound import selectors as intents

LEASE = timedelta(seconds=30)
"""Longer than the SDK takes with all of its tries, shorter than a minute."""


class TurnLost(Exception):
    """The lease ran out and somebody else has gone on with it."""


def take(intent: StripeIntent) -> bool:
    """Have this intent to ourselves for a while; False while somebody else is at it or at one
    that has to end first, and when it is over."""
    with transaction.atomic():
        if intent.target:
            intents.lock_target(intent)
            if intents.in_the_way(intent).exists():
                return False
        free = _row(intent).filter(intents.FREE, state__in=OPEN)
        taken: bool = free.update(leased_until=Now() + LEASE) == 1
        if taken:
            intent.refresh_from_db()
    return taken


def note(intent: StripeIntent, **values: Any) -> None:
    """Write down how far it is. Raises TurnLost."""
    if _row(intent).filter(leased_until=intent.leased_until).update(**values) != 1:
        raise TurnLost
    intent.refresh_from_db()


def end(intent: StripeIntent, **values: Any) -> None:
    """Write down what became of it and let go. Raises TurnLost."""
    if (
        _row(intent).filter(leased_until=intent.leased_until).update(leased_until=None, **values)
        != 1
    ):
        raise TurnLost
    intent.refresh_from_db()


def _row(intent: StripeIntent) -> Any:
    return StripeIntent.objects.for_project(intent.project_id).filter(pk=intent.pk)
