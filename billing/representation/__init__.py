"""What a tenant sees of each row, the same in an API answer and in an event: plain JSON values.

Times are RFC 3339 in UTC, money is minor units and a currency. Rows that come in lists are loaded
by the selectors with everything that is named here, so that no row costs a query of its own.
"""

from billing.representation.catalog import plan, price, product
from billing.representation.invoices import invoice
from billing.representation.payments import dispute, payment, refund, standing
from billing.representation.rollouts import rollout, whole_rollout
from billing.representation.stripe_accounts import stripe_account
from billing.representation.subscriptions import subscription
from billing.representation.values import Json, moment, money

__all__ = [
    "Json",
    "dispute",
    "invoice",
    "moment",
    "money",
    "payment",
    "plan",
    "price",
    "product",
    "refund",
    "rollout",
    "standing",
    "stripe_account",
    "subscription",
    "whole_rollout",
]
