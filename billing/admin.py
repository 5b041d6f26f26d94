"""Pages of the console about products, payments and Stripe, and purchases on the customer page."""

from billing.accounts.admin import stripe_accounts, stripe_customers, stripe_endpoints
from billing.catalog.admin import grant_dialogs, prices, stripe_meters
from billing.checkout.admin import carts, checkouts
from billing.invoices import admin as invoices
from billing.operations.admin import drift_policies, drift_reports, reconciliations
from billing.outbound import admin as stripe_intents
from billing.payments.admin import disputes, fraud_warnings, payments, refunds
from billing.rollouts.admin import products, rollouts
from billing.subscriptions.admin import customer_panel, subscriptions
from billing.sync.admin import back_offs, missing_objects, sync_objects
from projects.customers.admin import panels

__all__ = [
    "back_offs",
    "carts",
    "checkouts",
    "disputes",
    "drift_policies",
    "drift_reports",
    "fraud_warnings",
    "invoices",
    "missing_objects",
    "payments",
    "prices",
    "products",
    "reconciliations",
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

panels.register(customer_panel.PANEL, name="purchases", order=50)
for order, act in enumerate(grant_dialogs.ACTS, start=10):
    panels.register_action(act, order=order)
