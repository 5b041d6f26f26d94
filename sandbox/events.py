"""Events: a copy of the changed object, queued for delivery to the webhook endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import API_VERSION, thin_events
from sandbox.objects import Object, copy

if TYPE_CHECKING:
    from sandbox.transaction import Transaction

PENDING = "_delivery"


def record_event(
    tx: Transaction, event_type: str, body: Object, *, previous: Object | None = None
) -> Object:
    """Store the event and one delivery for each endpoint that is subscribed to its type."""
    data: Object = {"object": copy(body)}
    if previous is not None:
        data["previous_attributes"] = previous
    endpoints = tx.list_objects(
        "webhook_endpoint", lambda endpoint: _subscribes(endpoint, event_type)
    )
    thin = [each for each in endpoints if thin_events.is_destination(tx, each)]
    endpoints = [each for each in endpoints if each not in thin]
    event: Object = {
        "id": tx.new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": tx.world.clock.now(),
        "data": data,
        "livemode": False,
        "pending_webhooks": len(endpoints),
        "request": {"id": tx.cause.request_id, "idempotency_key": tx.cause.idempotency_key},
        "type": event_type,
    }
    tx.insert(event)
    for endpoint in endpoints:
        queue_delivery(tx, event, endpoint)
    if thin:
        _queue_thin(tx, thin_events.build_thin_event(tx, f"v1.{event_type}", body), thin)
    return event


def record_thin_event(tx: Transaction, event_type: str, subject: Object, data: Object) -> Object:
    """Store and queue an event that Stripe has in thin form only."""
    event = thin_events.build_thin_event(tx, event_type, subject, data)
    wanting = tx.list_objects(
        "webhook_endpoint", lambda endpoint: _subscribes(endpoint, event_type)
    )
    _queue_thin(tx, event, [each for each in wanting if thin_events.is_destination(tx, each)])
    return event


def _queue_thin(tx: Transaction, event: Object, destinations: list[Object]) -> None:
    for endpoint in destinations:
        queue_delivery(tx, event, endpoint)


def queue_delivery(tx: Transaction, event: Object, endpoint: Object) -> Object:
    """Insert a delivery that is due now."""
    return tx.insert(
        {
            "object": PENDING,
            "id": tx.new_id("dlv"),
            "account": tx.account,
            "event": event["id"],
            "type": event["type"],
            "endpoint": endpoint["id"],
            "status": "pending",
            "due": tx.world.clock.now(),
            "attempts": [],
            "created": tx.world.clock.now(),
        }
    )


def _subscribes(endpoint: Object, event_type: str) -> bool:
    if endpoint.get("deleted") or endpoint["status"] != "enabled":
        return False
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]
