"""Release reservations that have expired, with their events.

A worker does it soon after the expiry; a request that lacks units or credits does it at once. Only
the worker locks the customer: a request may hold a counter, and nobody waits for a customer then.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from django.db import DatabaseError, transaction

from common.fair_queue import QueueRun, RetryRule
from entitlements.consumption import representation, reservation_postings
from entitlements.consumption import selectors as reservation_rows
from entitlements.consumption.consumables import Consumable
from entitlements.errors import NotEnoughCredits
from entitlements.models import Reservation
from entitlements.models.reservation import ReservationStatus
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="reservation_expiry", attempts=20)
T = TypeVar("T")

MAX_EXPIRED_PER_REQUEST = 100
"""Expired reservations that one request releases at most."""


def expire_due(*, at: datetime, limit: int) -> int:
    """Release reservations that have expired. Returns how many."""
    run = QueueRun(RULE)
    due = reservation_rows.due(at=at, limit=limit, rule=RULE)
    return sum(
        run.attempt(lambda row: _lock_and_expire(row, at), reservation) for reservation in due
    )


def expire_due_of_customer(consumable: Consumable, at: datetime) -> bool:
    """Release the customer's expired reservations. Returns whether there were any."""
    if consumable.customer_id is None:
        return False
    due = reservation_rows.due_of(
        project_id=consumable.project_id,
        customer_id=consumable.customer_id,
        at=at,
        limit=MAX_EXPIRED_PER_REQUEST,
    )
    return sum(_try_to_expire(row, at) for row in due) > 0


def retry_after_expiry(act: Callable[[], T], consumable: Consumable, *, at: datetime) -> T:
    """Call ``act``; when credits are missing and expired reservations can be released, call it
    once more."""
    try:
        return act()
    except NotEnoughCredits:
        if not expire_due_of_customer(consumable, at):
            raise
        return act()


def _lock_and_expire(due: Reservation, at: datetime) -> bool:
    with transaction.atomic():
        customers.lock(project_id=due.project_id, customer_id=due.customer_id)
        return _expire(due, at)


def _try_to_expire(due: Reservation, at: datetime) -> bool:
    try:
        return _expire(due, at)
    except DatabaseError as error:  # a lock that somebody holds: the next run finds it again
        log.warning("reservation_not_expired", id=due.pk, error=type(error).__name__)
        return False


def _expire(due: Reservation, at: datetime) -> bool:
    with transaction.atomic():
        row = reservation_rows.lock_open(project_id=due.project_id, reservation_id=due.pk)
        if row is None or row.status(at) != ReservationStatus.EXPIRED:
            return False
        row.expired_at = at
        row.save(update_fields=["expired_at"])
        outbox.record(
            project_id=row.project_id,
            event_type=EventType.RESERVATION_EXPIRED,
            subject=row.pk,
            customer_id=row.customer_id,
            version=row.customer.version,
            data=representation.reservation(row, at=at),
            previous={"status": ReservationStatus.OPEN.value},
            at=at,
        )
        reservation_postings.post(row, used=0, at=at)
    return True
