"""Overviews of a world for the controls and the home page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox import accounts
from sandbox.deliveries import DONE
from sandbox.events import PENDING
from sandbox.objects import Object, copy

if TYPE_CHECKING:
    from sandbox.world import World


def summarise_world(world: World) -> Object:
    """Accounts with object counts, clock, delivery mode and faults."""
    with world.lock:
        return {
            "accounts": [
                _account_row(world, account) for account in accounts.list_account_ids(world)
            ],
            "clock": {"now": world.clock.now(), "frozen": world.clock.frozen},
            "delivery_mode": dataclasses.asdict(world.delivery_mode),
            "deliveries_pending": sum(
                len(world.store.kind(account, PENDING))
                for account in accounts.list_account_ids(world)
            ),
            "faults": world.faults.describe(),
        }


def list_deliveries(world: World, *, status: str | None = None) -> list[Object]:
    """Deliveries of all accounts, newest first."""
    with world.lock:
        rows = [
            copy(delivery)
            for delivery in _iterate_deliveries(world)
            if status in (None, delivery["status"])
        ]
    rows.reverse()
    rows.sort(key=lambda delivery: int(delivery["created"]), reverse=True)
    return rows


def list_latest_events(world: World, *, limit: int) -> list[Object]:
    """The newest events, each with its deliveries."""
    with world.lock:
        events = [
            _event_row(event)
            for account in accounts.list_account_ids(world)
            for event in list(world.store.kind(account, "event").values())[-limit:]
        ]
        events.reverse()
        events.sort(key=lambda event: int(event["created"]), reverse=True)
        rows_by_id = {event["id"]: event for event in events[:limit]}
        for delivery in _iterate_deliveries(world):
            if delivery["event"] in rows_by_id:
                rows_by_id[delivery["event"]]["deliveries"].append(copy(delivery))
    return list(rows_by_id.values())


def _iterate_deliveries(world: World) -> Iterator[Object]:
    for account in accounts.list_account_ids(world):
        for kind in (DONE, PENDING):
            yield from world.store.kind(account, kind).values()


def _event_row(event: Object) -> dict[str, Any]:
    fields = ("id", "type", "created", "pending_webhooks")
    subject = event["data"]["object"].get("id", "")
    return {**{name: event[name] for name in fields}, "subject": subject, "deliveries": []}


def _account_row(world: World, account: str) -> Object:
    counts = {kind: n for kind, n in world.store.kinds(account) if not kind.startswith("_")}
    endpoints = [
        {name: each[name] for name in ("id", "url", "status")}
        for each in world.store.kind(account, "webhook_endpoint").values()
        if not each.get("deleted")
    ]
    return {"id": account, "objects": counts, "endpoints": endpoints}
