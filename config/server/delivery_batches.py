"""Stripe's events that arrive while others are being stored are stored together after them.

Each event waits for the disk, and a disk needs as long for many as for one. The first event is
stored at once; those that arrive meanwhile share the next transaction. None is acknowledged before
the commit that contains it. If such a transaction fails, it has stored nothing, and each of its
events is stored alone, so that one that cannot be stored fails alone.
"""

import asyncio
from collections import deque
from functools import partial
from typing import NamedTuple

import structlog
from django.core.signals import request_finished
from django.db import DatabaseError, connection

from common import context, prepared_statements
from common.errors import Unavailable
from common.request_threads import Threads
from webhooks.services import intake
from webhooks.services.intake import Delivery

log = structlog.get_logger(__name__)

LANE = "stripe-deliveries"
MAX_RUNNING = 2
"""Transactions at the same time: one may wait for a lock or the disk."""
MAX_BATCH = 64
MAX_WAITING = 1000
"""Events that wait to be stored; a further one is refused, and Stripe sends it again."""


class _Waiting(NamedTuple):
    delivery: Delivery
    is_stored: "asyncio.Future[bool]"


class DeliveryBatches:
    """All methods run in the event loop. The endpoints take turns in each batch."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: dict[str, deque[_Waiting]] = {}
        """By endpoint; the endpoint whose turn it is comes first."""
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def store(self, delivery: Delivery) -> bool:
        """Return True once the event is committed; False if it has to be stored alone.

        Raises Unavailable if too many events wait, and the database's error if nobody can know
        whether the event is stored.
        """
        if self._count >= MAX_WAITING:
            raise Unavailable("Too many events wait to be stored. Send the event again.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(delivery, loop.create_future())
        self._waiting.setdefault(delivery.endpoint.pk, deque()).append(waiting)
        self._count += 1
        if len(self._tasks) < MAX_RUNNING:
            task = loop.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.is_stored

    async def _run(self) -> None:
        """Store batches until no event waits."""
        while batch := self._take_batch():
            deliveries = [waiting.delivery for waiting in batch]
            try:
                is_stored = await self._threads.run(partial(_store, deliveries), lane=LANE)
            except Exception as error:  # noqa: BLE001  # each caller gets it
                for waiting in batch:
                    if not waiting.is_stored.done():
                        waiting.is_stored.set_exception(error)
            else:
                for waiting in batch:
                    if not waiting.is_stored.done():
                        waiting.is_stored.set_result(is_stored)

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < MAX_BATCH:
            endpoint_id = next(iter(self._waiting))
            queue = self._waiting.pop(endpoint_id)
            batch.append(queue.popleft())
            if queue:
                self._waiting[endpoint_id] = queue
        self._count -= len(batch)
        return batch


def _store(deliveries: list[Delivery]) -> bool:
    """Store them in one transaction. False if the database refuses it; nothing is stored then."""
    context.begin()
    try:
        intake.receive_together(deliveries)
    except DatabaseError as error:
        if prepared_statements.is_outcome_unknown(error):
            raise
        log.info("stripe_events_stored_alone", count=len(deliveries), error=type(error).__name__)
        return False
    finally:
        if connection.connection is not None:
            request_finished.send(sender=DeliveryBatches)
    return True
