"""Reservations; ``lock`` one before any counter or credit account."""

from datetime import datetime

from django.db.models import QuerySet

from common import fair_queue
from common.errors import NotFound
from common.fair_queue import RetryRule
from entitlements.models import Reservation
from projects.models import Customer, Project

_OPEN = {
    "committed_at__isnull": True,
    "released_at__isnull": True,
    "expired_at__isnull": True,
}


def lock(*, project: Project | str, reservation_id: str) -> Reservation:
    """The project's reservation with customer and feature, locked until the transaction ends;
    raises NotFound."""
    rows = Reservation.objects.for_project(project).select_related("customer", "feature")
    row = rows.filter(pk=reservation_id).select_for_update(of=("self",)).first()
    if row is None:
        raise NotFound("No reservation with this id. POST /entitlements/reserve makes one.")
    return row


def find(*, project: Project | str, key: str) -> Reservation | None:
    """The reservation with this key, with customer and feature."""
    rows = Reservation.objects.for_project(project).select_related("customer", "feature")
    return rows.filter(key=key).first()


def open_of(customer: Customer) -> QuerySet[Reservation]:
    """The customer's open reservations with their features; newest first."""
    rows = Reservation.objects.for_project(customer.project_id).filter(customer=customer, **_OPEN)
    return rows.select_related("feature").order_by("-pk")


def due(*, at: datetime, limit: int, rule: RetryRule) -> list[Reservation]:
    """Open reservations that have expired: projects take turns, oldest first, without those that
    wait for a retry by ``rule``."""
    rows = Reservation.objects.across_projects().filter(
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="pk"),
        expires_at__lte=at,
        **_OPEN,
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("expires_at", "pk"), limit=limit)


def due_of(*, project_id: str, customer_id: str, at: datetime, limit: int) -> list[Reservation]:
    """The customer's open reservations that have expired, oldest first."""
    rows = Reservation.objects.for_project(project_id).filter(expires_at__lte=at, **_OPEN)
    return list(rows.filter(customer_id=customer_id).order_by("expires_at", "pk")[:limit])


def lock_open(*, project_id: str, reservation_id: str) -> Reservation | None:
    """The open reservation with customer and feature, locked; None when it is locked or has ended.

    Never waits, so that a caller that holds a counter cannot deadlock.
    """
    rows = Reservation.objects.for_project(project_id).filter(pk=reservation_id, **_OPEN)
    rows = rows.select_related("customer", "feature")
    locked = rows.select_for_update(skip_locked=True, of=("self",))
    return locked.first()
