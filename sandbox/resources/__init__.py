"""One Stripe resource per file. A new one is imported and listed here."""

from __future__ import annotations

from sandbox.resources import account, customers, prices, products
from sandbox.routing import Routes

RESOURCES: list[Routes] = [
    account.routes,
    customers.routes,
    prices.routes,
    products.routes,
]
