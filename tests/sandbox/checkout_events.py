"""Expected events and look-ups of the tests of checkout sessions."""

FIRST_SUBSCRIPTION = [
    "charge.succeeded",
    "payment_method.attached",
    "customer.created",
    "customer.updated",
    "checkout.session.completed",
    "customer.subscription.created",
    "payment_intent.created",
    "payment_intent.succeeded",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
]


def retrieve(shop, session, *expand):
    return shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": list(expand)})
