"""Bodies of our rows for tenants, identical in API answers and events: plain JSON values.

Times are RFC 3339 in UTC, money is minor units and a currency. Selectors load rows of lists with
all relations that are used here, so that no row needs a query of its own.
"""

from billing.representation.catalog import plan, price, product, public_plan
from billing.representation.invoices import invoice
from billing.representation.payments import dispute, payment, payment_status, refund
from billing.representation.rollouts import rollout, whole_rollout
from billing.representation.stripe_accounts import stripe_account
from billing.representation.subscriptions import subscription

__all__ = [
    "dispute",
    "invoice",
    "payment",
    "payment_status",
    "plan",
    "price",
    "product",
    "public_plan",
    "refund",
    "rollout",
    "stripe_account",
    "subscription",
    "whole_rollout",
]
