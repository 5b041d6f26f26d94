"""Expected events of renewals, and controls of cards and settings."""

from sandbox import forced_declines

HOUR = 3600
RENEWS = 1_802_678_400
"""A month after ``NOW``."""
RENEWED = ["invoice.created", "customer.subscription.updated"]
PAID = [
    "invoice.finalized",
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
]


def decline(shop, subscription, **options):
    with shop.world.transaction() as tx:
        forced_declines.decline_payments(tx, subscription.customer, **options)


def timed(events):
    return [(event["created"], event["type"]) for event in events]


def changes(events, type):
    """The ``previous_attributes`` of the first event of the type."""
    return next(e["data"]["previous_attributes"] for e in events if e["type"] == type)


def latest_invoice(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]
