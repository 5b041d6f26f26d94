"""What a world holds, for the control surface and the home page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sandbox import accounts
from sandbox import deliveries as post
from sandbox.events import PENDING
from sandbox.objects import Object, copy

if TYPE_CHECKING:
    from sandbox.world import World


def summary(world: World) -> Object:
    """Accounts with their objects counted, time, faults and how webhooks travel."""
    with world.lock:
        return {
            "accounts": [_account(world, account) for account in accounts.ids(world)],
            "clock": {"now": world.clock.now(), "frozen": world.clock.frozen},
            "delivery_mode": dataclasses.asdict(world.delivery_mode),
            "deliveries_pending": len(deliveries(world, status="pending")),
            "faults": world.faults.describe(),
        }


def deliveries(world: World, *, status: str | None = None) -> list[Object]:
    """Deliveries of every account, the newest first."""
    with world.lock:
        found = [
            copy(delivery)
            for account in accounts.ids(world)
            for kind in (PENDING, post.DONE)
            for delivery in world.store.kind(account, kind).values()
            if status in (None, delivery["status"])
        ]
    found.reverse()
    found.sort(key=lambda delivery: int(delivery["created"]), reverse=True)
    return found


def latest_events(world: World, *, limit: int) -> list[Object]:
    """The newest events, each with the outcome of its deliveries."""
    outcomes: dict[str, list[Object]] = {}
    for delivery in deliveries(world):
        outcomes.setdefault(delivery["event"], []).append(delivery)
    with world.lock:
        events = [
            {"account": account, **_line(event), "deliveries": outcomes.get(event["id"], [])}
            for account in accounts.ids(world)
            for event in list(world.store.kind(account, "event").values())[-limit:]
        ]
    events.reverse()
    return sorted(events, key=lambda event: event["created"], reverse=True)[:limit]


def _line(event: Object) -> dict[str, Any]:
    shown = ("id", "type", "created", "pending_webhooks")
    subject = event["data"]["object"].get("id", "")
    return {**{name: event[name] for name in shown}, "subject": subject}


def _account(world: World, account: str) -> Object:
    counts = {kind: n for kind, n in world.store.kinds(account) if not kind.startswith("_")}
    endpoints = [
        {name: each[name] for name in ("id", "url", "status")}
        for each in world.store.kind(account, "webhook_endpoint").values()
        if not each.get("deleted")
    ]
    return {"id": account, "objects": counts, "endpoints": endpoints}
