"""Reservations in responses."""

from datetime import datetime
from typing import Annotated, TypedDict

from common.bodies import Time, UserId
from common.times import rfc3339
from entitlements.models import Reservation
from entitlements.models.reservation import ReservationStatus


class ReservationBody(TypedDict):
    """An amount of a feature that is reserved until it is committed, released or expires."""

    id: str
    user_id: UserId
    feature: str
    amount: int
    credits: Annotated[int, "Reserved credits; 0 for a metered feature."]
    status: Annotated[str, ReservationStatus]
    committed_amount: int | None
    created_at: Time
    expires_at: Time
    committed_at: Time | None
    released_at: Time | None


def reservation(row: Reservation, *, at: datetime) -> ReservationBody:
    return {
        "id": row.pk,
        "user_id": row.customer.user_id,
        "feature": row.feature.code,
        "amount": row.amount,
        "credits": row.credits,
        "status": row.status(at).value,
        "committed_amount": row.committed_amount,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "committed_at": rfc3339(row.committed_at),
        "released_at": rfc3339(row.released_at),
    }
