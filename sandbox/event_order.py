"""The order in which Stripe delivers the events of one flow, by event type.

Taken from logs of ``stripe listen``. Stripe guarantees no order. The observed one is kept because
it is surprising: ``payment_intent.created`` comes after ``payment_intent.succeeded``.
"""

from __future__ import annotations

FIRST_PAYMENT = (
    "setup_intent.created",
    "setup_intent.requires_action",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
    "charge.failed",
    "charge.succeeded",
    "payment_method.attached",
    "customer.created",
    "customer.updated",
    "checkout.session.completed",
    "customer.discount.created",
    "promotion_code.updated",
    "coupon.updated",
    "customer.subscription.created",
    "customer.subscription.trial_will_end",
    "payment_intent.created",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice_payment.paid",
)
"""A new subscription, from Checkout or the API."""

ONE_TIME_PAYMENT = (
    "charge.failed",
    "charge.succeeded",
    "payment_method.attached",
    "customer.created",
    "payment_intent.succeeded",
    "payment_intent.created",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.payment_failed",
    "checkout.session.completed",
    "charge.updated",
)
"""A checkout session in payment mode."""

RECOVERY = (
    "charge.failed",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "charge.succeeded",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "customer.updated",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice_payment.paid",
)
"""A payment retry of an invoice, successful or not."""

CHANGE_INVOICED = (
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "payment_intent.created",
    "charge.failed",
    "charge.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "invoiceitem.created",
    "invoice_payment.paid",
)
"""A subscription update with an invoice for the difference."""
