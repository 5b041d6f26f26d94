"""Every resource that the sandbox serves. A new one is imported and listed here."""

from __future__ import annotations

from sandbox.resources import (
    account,
    balance_transactions,
    charges,
    checkout_sessions,
    coupons,
    customers,
    disputes,
    events,
    invoice_items,
    invoice_payments,
    invoice_previews,
    invoices,
    payment_intents,
    payment_methods,
    prices,
    products,
    promotion_codes,
    refunds,
    setup_intents,
    subscription_items,
    subscriptions,
    webhook_endpoints,
)
from sandbox.routing import Routes

RESOURCES: list[Routes] = [
    account.routes,
    balance_transactions.routes,
    charges.routes,
    checkout_sessions.routes,
    coupons.routes,
    customers.routes,
    events.routes,
    disputes.routes,
    invoice_items.routes,
    invoice_payments.routes,
    invoice_previews.routes,
    invoices.routes,
    payment_intents.routes,
    payment_methods.routes,
    prices.routes,
    products.routes,
    promotion_codes.routes,
    refunds.routes,
    setup_intents.routes,
    subscription_items.routes,
    subscriptions.routes,
    webhook_endpoints.routes,
]
