"""Thin events at Stripe: the delivery names the event, and its content is read from here."""

from stripe import StripeClient

from billing.stripe import reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields

URL = "/v2/core/events"
OBJECT = "v2.core.event"


def retrieve(client: StripeClient, event_id: str) -> Fields:
    """Read the complete event; Stripe keeps it for 30 days. Raises StripeObjectMissing."""
    with translate():
        return reads.get_named(client, URL, OBJECT, event_id)
