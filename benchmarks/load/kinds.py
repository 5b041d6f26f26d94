"""The four kinds of tenants, what each of them sends, and how often."""

from dataclasses import dataclass
from enum import StrEnum


class TenantKind(StrEnum):
    """What a tenant sells. Tenants take turns, so that each kind has a quarter of them."""

    SUBSCRIPTIONS = "subscriptions"
    ITEMS = "items"
    CARTS = "carts"
    METERED = "metered"


KINDS = tuple(TenantKind)


class LoadPath(StrEnum):
    """What is measured, by the names of the table. The last two are not sent by a tenant on its
    own: they follow from a paid checkout."""

    CHECK = "check"
    LIST = "lists"
    CONSUME = "consume"
    USAGE = "usage, 50 records"
    WEBHOOK_IN = "webhook in"
    CHECKOUT = "checkout opened"
    ENTITLED = "paid → entitled"
    WEBHOOK_OUT = "event → tenant"


@dataclass(frozen=True, slots=True)
class PathRate:
    """``per_second`` requests of each tenant of these kinds."""

    path: LoadPath
    per_second: float
    kinds: tuple[TenantKind, ...] = KINDS


SELLERS = (TenantKind.SUBSCRIPTIONS, TenantKind.ITEMS, TenantKind.CARTS)
RATES = (
    PathRate(LoadPath.CHECK, 2.0),
    PathRate(LoadPath.LIST, 0.1),
    PathRate(LoadPath.CONSUME, 0.5, (TenantKind.METERED,)),
    PathRate(LoadPath.USAGE, 0.2, (TenantKind.METERED,)),
    PathRate(LoadPath.WEBHOOK_IN, 0.02),
    PathRate(LoadPath.CHECKOUT, 0.008, SELLERS),
)
"""With 120 tenants: 240 checks, 12 lists, 15 consumptions, 300 usage records, 2.4 events of Stripe
and 0.7 checkouts a second. What is bought and what events name is read at Stripe at ten reads a
second at most, the background's share of one account in test mode."""

BATCH = 50
"""Usage records of one request."""
