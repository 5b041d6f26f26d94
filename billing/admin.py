"""Pages of the console about products, payments and Stripe."""

from billing.accounts.admin import stripe_accounts, stripe_customers, stripe_endpoints
from billing.catalog.admin import prices, stripe_meters
from billing.checkout.admin import carts, checkouts
from billing.invoices import admin as invoices
from billing.outbound import admin as stripe_intents
from billing.payments.admin import disputes, fraud_warnings, payments, refunds
from billing.rollouts.admin import products, rollouts
from billing.subscriptions.admin import subscriptions
from billing.sync.admin import back_offs, missing_objects, sync_objects

__all__ = [
    "back_offs",
    "carts",
    "checkouts",
    "disputes",
    "fraud_warnings",
    "invoices",
    "missing_objects",
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
