"""Thin events (``v2.core.event``): the delivery names the object and the event type only.

``GET /v2/core/events/{id}`` returns the data. A destination for thin events gets the events that
Stripe has in thin form only, such as meter error reports, and the thin form of all others
(``v1.invoice.paid``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.objects import Object, copy

if TYPE_CHECKING:
    from sandbox.transaction import Transaction

KIND = "v2.core.event"
DESTINATION = "_thin_destination"
"""Record kind: the webhook endpoint with this id receives thin events only."""
DELIVERED = ("id", "object", "context", "created", "livemode", "reason", "related_object", "type")
PATHS = {"billing.meter": "billing/meters", "checkout.session": "checkout/sessions"}


def is_destination(tx: Transaction, endpoint: Object) -> bool:
    return tx.get(DESTINATION, endpoint["id"]) is not None


def build_thin_event(
    tx: Transaction, event_type: str, subject: Object, data: Object | None = None
) -> Object:
    """Insert an event about ``subject``. ``data`` is stored and not delivered."""
    request = {"id": tx.cause.request_id, "idempotency_key": tx.cause.idempotency_key or ""}
    kind = subject["object"]
    event: Object = {
        "id": tx.new_id("evt"),
        "object": KIND,
        "context": None,
        "created": datetime.fromtimestamp(tx.now, UTC).isoformat().replace("+00:00", ".000Z"),
        "livemode": False,
        "reason": {"type": "request", "request": request} if tx.cause.request_id else None,
        "related_object": {
            "id": subject["id"],
            "type": kind,
            "url": f"/v1/{PATHS.get(kind, kind + 's')}/{subject['id']}",
        },
        "type": event_type,
    }
    if data is not None:
        event["data"] = copy(data)
    return tx.insert(event)


def delivered_fields(event: Object) -> Object:
    """The fields that are delivered."""
    return {name: event[name] for name in DELIVERED if event[name] is not None}
