"""Webhook deliveries: queued with their event, attempted later, retried with growing pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.objects import Object

if TYPE_CHECKING:
    from sandbox.transaction import Transaction

KIND = "_delivery"


def queue(tx: Transaction, event: Object, endpoint: Object) -> Object:
    """A delivery that is due at once."""
    return tx.insert(
        {
            "object": KIND,
            "id": tx.new_id("dlv"),
            "event": event["id"],
            "type": event["type"],
            "endpoint": endpoint["id"],
            "status": "pending",
            "due": tx.now,
            "attempts": [],
            "created": tx.now,
        }
    )
