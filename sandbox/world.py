"""A world is one sandbox: store, clock, faults, deliveries. A process can have several."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from sandbox import accounts, deliveries
from sandbox.clock import WorldClock
from sandbox.deliveries import DeliveryAttempt, DeliveryMode, Sink
from sandbox.errors import StripeFailure
from sandbox.events import PENDING
from sandbox.faults import FaultPlan
from sandbox.ids import IdGenerator
from sandbox.rate_limit import RateLimit
from sandbox.store import ObjectStore
from sandbox.transaction import EventRequest, Transaction

DEFAULT_ACCOUNT = "acct_1SandboxDefault00"
DEFAULT_SECRET_KEY = "sk_test_sandbox"  # noqa: S105  # opens nothing but this sandbox
KEPT_BY_RESET = {
    "account",
    "webhook_endpoint",
    "_clock",
    "_delivery_mode",
    "_secret_key",
    "_signing_secrets",
}
SYSTEM = "_system"
"""Pseudo-account of records that belong to no Stripe account: clock, keys."""


class World:
    """``World(frozen_at=…)`` for tests; ``World(path=…)`` for a process that survives restarts."""

    def __init__(
        self,
        *,
        path: Path | None = None,
        frozen_at: int | None = None,
        seed: int | None = None,
        secret_key: str = DEFAULT_SECRET_KEY,
        base_url: str = "http://127.0.0.1:12111",
        requests_per_second: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.store = ObjectStore(path)
        self.clock = WorldClock(frozen_at=frozen_at)
        self.ids = IdGenerator(seed)
        self.faults = FaultPlan()
        self.rate_limit = RateLimit(requests_per_second)
        self.in_flight: set[tuple[str, str]] = set()
        self.delivery_signal = threading.Event()
        """Set when deliveries may be due."""
        self.base_url = base_url
        self._restore_clock()
        accounts.open_account(self, account_id=DEFAULT_ACCOUNT, secret_key=secret_key)

    @contextmanager
    def transaction(
        self, account: str = DEFAULT_ACCOUNT, *, cause: EventRequest | None = None
    ) -> Iterator[Transaction]:
        """Open a transaction on one account under the world's lock; commit unless the block raises.

        A ``StripeFailure`` with ``keep_effects`` (a declined card) commits and is raised again.
        """
        with self.lock:
            transaction = Transaction(self, account, cause or EventRequest())
            try:
                yield transaction
            except StripeFailure as failure:
                if failure.keep_effects:
                    self._commit(transaction)
                raise
            self._commit(transaction)

    def _commit(self, transaction: Transaction) -> None:
        changes = list(transaction.changes())
        self.store.write(changes)
        if any(kind == PENDING for (_, kind, _), _ in changes):
            self.delivery_signal.set()

    def deliver(
        self,
        sink: Sink,
        *,
        order: Literal["in_order", "shuffled"] = "in_order",
        seed: int | random.Random = 0,
        duplicates: float = 0.0,
        drop: float = 0.0,
        limit: int | None = None,
    ) -> list[DeliveryAttempt]:
        """Deliver due webhooks to ``sink`` in this process.

        ``duplicates`` and ``drop`` are shares between 0 and 1. The same integer seed gives the same
        result; a ``Random`` continues. Returns the attempts; an empty list when nothing is due.
        """
        chance = random.Random(seed) if isinstance(seed, int) else seed  # noqa: S311
        mode = DeliveryMode(shuffled=order == "shuffled", duplicates=duplicates, drop=drop)
        return deliveries.deliver_due(self, sink, mode, rng=chance, limit=limit)

    @property
    def delivery_mode(self) -> DeliveryMode:
        """The delivery mode of the delivery worker."""
        saved = self.store.get((SYSTEM, "_delivery_mode", "mode"))
        return DeliveryMode(**saved["mode"]) if saved else DeliveryMode()

    def set_delivery_mode(self, mode: DeliveryMode) -> None:
        record = {"object": "_delivery_mode", "id": "mode", "mode": asdict(mode)}
        with self.lock:
            self.store.write([((SYSTEM, "_delivery_mode", "mode"), record)])
        self.delivery_signal.set()

    def move_clock(self, new_time: int) -> None:
        """Set the time without running due actions; ``engine.advance`` runs them."""
        with self.lock:
            self.clock.move_to(new_time)
            self.save_clock()
        self.delivery_signal.set()

    def save_clock(self) -> None:
        record = {"object": "_clock", "id": "clock", **self.clock.dump()}
        self.store.write([((SYSTEM, "_clock", "clock"), record)])

    def _restore_clock(self) -> None:
        saved = self.store.get((SYSTEM, "_clock", "clock"))
        if saved:
            self.clock.load(saved)

    def reset(self) -> None:
        """Remove everything except accounts, keys, webhook endpoints, clock and delivery mode."""
        with self.lock:
            kept_objects = [
                (key, body) for key, body in self.store.items() if key[1] in KEPT_BY_RESET
            ]
            self.store.clear()
            self.store.write(kept_objects)
            self.faults.clear()

    def close(self) -> None:
        self.store.close()
