"""The requests of an intent: its write, and the search for the object that an earlier try made."""

from datetime import timedelta

from billing.models import StripeIntent
from billing.stripe import writes
from billing.stripe.client import client_for
from billing.stripe.fields import Fields

CLOCK_SKEW = timedelta(minutes=10)
"""How much Stripe's clock may differ from ours when we search an object by its time."""


def send(intent: StripeIntent) -> Fields:
    """Send the write under the intent's current idempotency key. Returns Stripe's answer."""
    return writes.send(
        client_for(intent.account),
        intent.operation,
        target=intent.target,
        params=intent.params,
        idempotency_key=intent.idempotency_key,
    )


def find_object(intent: StripeIntent) -> Fields | None:
    """Find the object whose metadata names the intent's row. None for a change of an object."""
    if intent.target:
        return None
    return writes.find(
        client_for(intent.account),
        intent.operation,
        params=intent.params,
        row_id=intent.subject,
        since=intent.created_at - CLOCK_SKEW,
    )
