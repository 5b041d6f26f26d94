"""One Stripe resource per file. A new one is imported and listed here."""

from __future__ import annotations

from sandbox.resources import (
    account,
    balance_transactions,
    charges,
    customers,
    events,
    payment_intents,
    payment_methods,
    prices,
    products,
    refunds,
    setup_intents,
    webhook_endpoints,
)
from sandbox.routing import Routes

RESOURCES: list[Routes] = [
    account.routes,
    balance_transactions.routes,
    charges.routes,
    customers.routes,
    events.routes,
    payment_intents.routes,
    payment_methods.routes,
    prices.routes,
    products.routes,
    refunds.routes,
    setup_intents.routes,
    webhook_endpoints.routes,
]
