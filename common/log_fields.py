"""Ids that log lines carry, from the moment at which they are known until the work is over.

A person who has one of them finds all lines about it. The list is closed: nothing else of a row is
logged, because its other columns may name a person.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

NAMES = frozenset(
    {
        "payment_id",
        "payment_stripe_id",
        "workflow_id",
        "shipment_id",
        "invoice_id",
        "invoice_stripe_id",
        "subscription_id",
        "subscription_stripe_id",
        "checkout_id",
        "checkout_stripe_id",
        "refund_id",
        "refund_stripe_id",
        "stripe_id",
        "stripe_event_id",
        "intent",
        "kind",
        "operation",
    }
)
LONGEST = 255
"""Characters of a value that are logged: some are the tenant's own names."""


def add(**ids: str | None) -> None:
    """Log these ids with all further lines of this request, or inside of this :func:`scope`. An
    empty one is left out. Raises ValueError for a name that is not of the list."""
    if unknown := ids.keys() - NAMES:
        raise ValueError(f"No fields of log lines: {', '.join(sorted(unknown))}.")
    fields = {name: value[:LONGEST] for name, value in ids.items() if value}
    structlog.contextvars.bind_contextvars(**fields)


@contextmanager
def scope(**ids: str | None) -> Iterator[None]:
    """Log these ids with each line of the work inside; what it adds is forgotten behind it."""
    before = structlog.contextvars.get_contextvars()
    try:
        add(**ids)
        yield
    finally:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**before)
