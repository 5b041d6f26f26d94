"""Test clocks: a customer's own time, for all objects of that customer.

A transaction about such a customer has the clock's time as its ``fixed_time``. The engine runs due
actions of these objects only while the clock advances.
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
"""Fields, and kinds, that lead from an object to its customer."""


def find_clock(tx: Transaction, body: Object) -> Object | None:
    """The stored test clock of the object, or None; read-only."""
    if body["object"] == KIND:
        return None if body.get("deleted") else body
    if id := body.get("test_clock"):
        clock = tx.world.store.get((tx.account, KIND, id))
        return find_clock(tx, clock) if clock else None
    if owner := _find_owner(tx, body):
        return find_clock(tx, owner)
    return None


def use_clock_time(tx: Transaction, ids: Iterable[object]) -> None:
    """Set the transaction to the time of the first of these objects that has a test clock."""
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
    """The clocks that are advancing, each with its account."""
    for account in accounts.list_account_ids(world):
        for clock in world.store.kind(account, KIND).values():
            if clock.get("status") == "advancing":
                yield account, clock


def target_time(clock: Object) -> int:
    """Target time of an advancing clock."""
    return int(clock["status_details"]["advancing"]["target_frozen_time"])


def _find_owner(tx: Transaction, body: Object) -> Object | None:
    for name in OWNERS:
        id = body.get(name)
        if isinstance(id, str) and (body_of_owner := tx.world.store.get((tx.account, name, id))):
            return body_of_owner
    if body["object"].startswith("_"):  # our own records have the id of the object they describe
        candidates = (tx.world.store.get((tx.account, kind, body["id"])) for kind in OWNERS)
        return next((owner for owner in candidates if owner), None)
    return None


def _find_stored(tx: Transaction, object_id: str) -> Object | None:
    for kind, _ in tx.world.store.kinds(tx.account):
        if not kind.startswith("_") and (body := tx.world.store.get((tx.account, kind, object_id))):
            return body
    return None
