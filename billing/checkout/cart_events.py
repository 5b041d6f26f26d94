"""Events of carts. The caller holds the locks of the carts' customers."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from billing.checkout.representation.carts import cart as body_of
from billing.checkout.selectors import carts
from billing.models import Cart
from billing.models.cart import CartStatus
from events.catalog import EventType
from events.log import outbox
from events.log.outbox import NewEvent


def record_completed(*, project_id: str, cart_id: str, previous_status: str, at: datetime) -> None:
    """Record that a cart has just been completed."""
    row = carts.get(project=project_id, cart_id=cart_id)
    outbox.record_many(
        project_id=project_id,
        event_type=EventType.CART_COMPLETED,
        events=[_event(row, {"status": previous_status, "completed_at": None}, at)],
        at=at,
    )


def record_expired(*, cart_ids: Sequence[str], at: datetime) -> None:
    """Record that these carts, of any project, have just expired."""
    rows = carts.with_contents(cart_ids)
    for project_id, group in groupby(rows, key=lambda row: str(row.project_id)):
        outbox.record_many(
            project_id=project_id,
            event_type=EventType.CART_EXPIRED,
            events=[_event(row, {"status": CartStatus.OPEN.value}, at) for row in group],
            at=at,
        )


def _event(row: Cart, previous: dict[str, object], at: datetime) -> NewEvent:
    return NewEvent(
        subject=row.pk,
        customer_id=row.customer_id,
        version=row.customer.version,
        data=body_of(row, at=at),
        previous=previous,
    )
