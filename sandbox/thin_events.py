"""Thin events (``v2.core.event``): what is delivered says what happened to which object; the rest
is read with ``GET /v2/core/events/{id}``.

A destination for thin events gets those that Stripe has in this form only, such as the report of
meter events that do not count, and the thin form of every other event (``v1.invoice.paid``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.objects import Object, copy

if TYPE_CHECKING:
    from sandbox.transaction import Transaction

KIND = "v2.core.event"
DESTINATION = "_thin_destination"
"""Kept under the id of the webhook endpoint that takes thin events, and no others."""
DELIVERED = ("id", "object", "context", "created", "livemode", "reason", "related_object", "type")
PATHS = {"billing.meter": "billing/meters", "checkout.session": "checkout/sessions"}


def is_destination(tx: Transaction, endpoint: Object) -> bool:
    return tx.get(DESTINATION, endpoint["id"]) is not None


def build_thin_event(
    tx: Transaction, event_type: str, subject: Object, data: Object | None = None
) -> Object:
    """An event about ``subject``, with ``data`` that is not delivered."""
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
    """What travels of it."""
    return {name: event[name] for name in DELIVERED if event[name] is not None}
