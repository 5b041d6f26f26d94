"""Test clocks: what belongs to a customer with a clock of their own lives at that clock's time.

A transaction that is about such a customer works ``at`` the clock's time instead of the world's;
the engine leaves the customer's objects alone until the clock is advanced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sandbox import accounts
from sandbox.objects import Object
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World

KIND = "test_helpers.test_clock"
OWNERS = (
    "customer",
    "subscription",
    "invoice",
    "charge",
    "payment_intent",
    "setup_intent",
    "refund",
    "dispute",
)
"""Fields, and kinds, through which an object belongs to a customer."""


def find_clock(tx: Transaction, body: Object) -> Object | None:
    """The stored clock that the object lives by, if it has one: look, don't touch."""
    if body["object"] == KIND:
        return None if body.get("deleted") else body
    if id := body.get("test_clock"):
        clock = tx.world.store.get((tx.account, KIND, id))
        return find_clock(tx, clock) if clock else None
    if owner := _find_owner(tx, body):
        return find_clock(tx, owner)
    return None


def use_clock_time(tx: Transaction, ids: Iterable[object]) -> None:
    """Work at the time of the first of these objects that has a clock of its own."""
    if not has_clocks(tx):
        return
    for id in ids:
        body = _find_stored(tx, id) if isinstance(id, str) else None
        if clock := find_clock(tx, body) if body else None:
            tx.fixed_time = clock["frozen_time"]
            return


def has_clocks(tx: Transaction) -> bool:
    return bool(tx.world.store.kind(tx.account, KIND))


def list_advancing(world: World) -> Iterator[tuple[str, Object]]:
    """The clocks on their way, each with its account."""
    for account in accounts.list_account_ids(world):
        for clock in world.store.kind(account, KIND).values():
            if clock.get("status") == "advancing":
                yield account, clock


def target_time(clock: Object) -> int:
    """Where an advancing clock goes."""
    return int(clock["status_details"]["advancing"]["target_frozen_time"])


def _find_owner(tx: Transaction, body: Object) -> Object | None:
    for name in OWNERS:
        id = body.get(name)
        if isinstance(id, str) and (body_of_owner := tx.world.store.get((tx.account, name, id))):
            return body_of_owner
    if body["object"].startswith("_"):  # our own records share the id of what they are about
        candidates = (tx.world.store.get((tx.account, kind, body["id"])) for kind in OWNERS)
        return next((found for found in candidates if found), None)
    return None


def _find_stored(tx: Transaction, object_id: str) -> Object | None:
    for kind, _ in tx.world.store.kinds(tx.account):
        if not kind.startswith("_") and (body := tx.world.store.get((tx.account, kind, object_id))):
            return body
    return None
