"""The console's pages about what is sold, paid and owed, and about Stripe."""

from billing.admin import (
    carts,
    checkouts,
    disputes,
    invoices,
    payments,
    prices,
    products,
    refunds,
    rollouts,
    stripe_accounts,
    stripe_customers,
    stripe_endpoints,
    stripe_intents,
    stripe_meters,
    subscriptions,
    sync_objects,
)

__all__ = [
    "carts",
    "checkouts",
    "disputes",
    "invoices",
    "payments",
    "prices",
    "products",
    "refunds",
    "rollouts",
    "stripe_accounts",
    "stripe_customers",
    "stripe_endpoints",
    "stripe_intents",
    "stripe_meters",
    "subscriptions",
    "sync_objects",
]
