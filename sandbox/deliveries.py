"""Webhook deliveries: queued with their event, attempted later, retried with growing delays.

A ``PENDING`` delivery becomes ``DONE`` as delivered, failed (after three days of retries), dropped
(on purpose) or canceled (its endpoint is gone).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import accounts, thin_events, webhook_signatures
from sandbox.events import PENDING, queue_delivery
from sandbox.objects import Object, copy
from sandbox.resources import webhook_endpoints

if TYPE_CHECKING:
    from sandbox.transaction import Transaction
    from sandbox.world import World

DONE = "_delivery_done"
RETRY_DELAYS = (5, 60, 300, 1800, 7200, 18000, 36000, 43200, 43200, 43200, 43200)
"""Seconds until the next attempt, by number of attempts; after the last one the delivery fails."""

Sink = Callable[[str, bytes, dict[str, str]], int]
"""``sink(url, body, headers) -> HTTP status``; raises ``OSError`` when the connection fails."""


@dataclass(frozen=True)
class DeliveryAttempt:
    """One POST to an endpoint. ``status`` is None when the connection failed."""

    delivery: str
    event: str
    type: str
    url: str
    status: int | None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class DeliveryMode:
    """How deliveries are sent. ``duplicates`` and ``drop`` are shares between 0 and 1."""

    shuffled: bool = False
    seed: int = 0
    duplicates: float = 0.0
    drop: float = 0.0
    hold: bool = False


def redeliver(tx: Transaction, event_id: str) -> int:
    """Queue the event again for every enabled endpoint. Returns the number of endpoints."""
    event = _find_event(tx, event_id) or tx.path_object("event", event_id)
    is_thin = event["object"] == thin_events.KIND
    enabled = [
        endpoint
        for endpoint in tx.list_objects(
            "webhook_endpoint", lambda each: each.get("status") == "enabled"
        )
        if thin_events.is_destination(tx, endpoint) == is_thin
    ]
    for endpoint in enabled:
        queue_delivery(tx, event, endpoint)
    return len(enabled)


def list_due(world: World) -> list[Object]:
    """Copies of the deliveries due now, in the order of their events."""
    with world.lock:
        now = world.clock.now()
        return [
            copy(delivery)
            for account in accounts.list_account_ids(world)
            for delivery in world.store.kind(account, PENDING).values()
            if delivery["due"] <= now
        ]


def deliver_due(
    world: World,
    sink: Sink,
    mode: DeliveryMode,
    *,
    rng: random.Random | None = None,
    limit: int | None = None,
    should_continue: Callable[[], bool] = lambda: True,
) -> list[DeliveryAttempt]:
    """Attempt each delivery that is due now once.

    Deliveries that the sink causes wait for the next call. The world's lock is free while the sink
    runs. The same seed and deliveries give the same order, duplicates and drops; ``rng`` continues
    from one call to the next. Stops between two attempts when ``should_continue`` returns False.
    """
    if mode.hold:
        return []
    rng = rng or random.Random(mode.seed)  # noqa: S311  # repeatable chaos, not a secret
    attempts: list[DeliveryAttempt] = []
    for delivery in _plan_deliveries(world, list_due(world)[:limit], mode, rng):
        if not should_continue():
            break
        if result := attempt(world, delivery, sink):
            attempts.append(result)
    return attempts


def _plan_deliveries(
    world: World, pending: list[Object], mode: DeliveryMode, chance: random.Random
) -> list[Object]:
    """The deliveries in sending order: shuffled, some twice, without dropped ones."""
    if mode.shuffled:
        chance.shuffle(pending)
    planned: list[Object] = []
    for delivery in pending:
        if chance.random() < mode.drop:
            with world.transaction(delivery["account"]) as tx:
                _finish(tx, delivery["id"], "dropped")
        else:
            planned.append(delivery)
    for delivery in [each for each in planned if chance.random() < mode.duplicates]:
        position = planned.index(delivery)
        new_position = chance.randint(position + 1, len(planned)) if mode.shuffled else position + 1
        planned.insert(new_position, delivery)
    return planned


def attempt(world: World, delivery: Object, sink: Sink) -> DeliveryAttempt | None:
    """POST one delivery and record the result. None if its endpoint or event is gone."""
    account = delivery["account"]
    with world.transaction(account) as tx:
        event = _find_event(tx, delivery["event"])
        endpoint = tx.get("webhook_endpoint", delivery["endpoint"])
        if not event or not endpoint or endpoint.get("status") != "enabled":
            _finish(tx, delivery["id"], "canceled")
            return None
        body = webhook_signatures.build_payload(event, endpoint)
        secrets = webhook_endpoints.list_live_secrets(tx, endpoint["id"])
        url: str = endpoint["url"]
    status, error = _send(sink, url, body, webhook_signatures.build_headers(body, secrets))
    result = DeliveryAttempt(delivery["id"], event["id"], event["type"], url, status)
    with world.transaction(account) as tx:
        _record_attempt(tx, result, endpoint["id"], error)
    return result


def _find_event(tx: Transaction, object_id: str) -> Object | None:
    return tx.get("event", object_id) or tx.get(thin_events.KIND, object_id)


def _send(
    sink: Sink, url: str, body: bytes, headers: dict[str, str]
) -> tuple[int | None, str | None]:
    try:
        return sink(url, body, headers), None
    except OSError as error:
        return None, f"{type(error).__name__}: {error}"


def _record_attempt(
    tx: Transaction, attempted: DeliveryAttempt, endpoint: str, error: str | None
) -> None:
    if attempted.succeeded:
        _mark_received(tx, attempted.event, endpoint)
    delivery = tx.get(PENDING, attempted.delivery)
    if delivery is None:
        return  # a duplicate of a finished delivery
    delivery["attempts"].append({"at": tx.now, "status": attempted.status, "error": error})
    if attempted.succeeded:
        _finish(tx, attempted.delivery, "delivered")
    elif len(delivery["attempts"]) > len(RETRY_DELAYS):
        _finish(tx, attempted.delivery, "failed")
    else:
        delivery["due"] = tx.now + RETRY_DELAYS[len(delivery["attempts"]) - 1]


def _mark_received(tx: Transaction, event_id: str, endpoint: str) -> None:
    """Lower ``pending_webhooks``: the number of endpoints that have not answered 2xx yet."""
    already = tx.get("_received", f"{event_id}:{endpoint}")
    event = tx.get("event", event_id)
    if already is None and event is not None:
        tx.insert({"object": "_received", "id": f"{event_id}:{endpoint}"})
        event["pending_webhooks"] = max(event["pending_webhooks"] - 1, 0)


def _finish(tx: Transaction, object_id: str, status: str) -> None:
    delivery = tx.get(PENDING, object_id)
    if delivery:
        tx.remove(delivery)
        tx.insert({**delivery, "object": DONE, "status": status})
