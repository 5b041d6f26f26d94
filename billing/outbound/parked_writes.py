"""Events of writes at Stripe that did not end by themselves: parked, or given up by an operator."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypedDict, cast

from billing.models import StripeIntent
from common.bodies import Time
from common.errors import DomainError
from common.times import rfc3339
from events.catalog import EventType
from events.log import outbox

UNEXPECTED = "The result at Stripe is not known. An operator has to look at it."
GIVEN_UP = "An operator has given it up: it will not be sent again."


class StripeWriteBody(TypedDict):
    """One request to Stripe that changes something there."""

    id: str
    operation: Annotated[str, "The kind of object and what is done: `product.update`."]
    object: Annotated[str, "Our id of the object that is created or changed."]
    stripe_id: Annotated[str | None, "Stripe's id of the object that is changed."]
    reason: str
    created_at: Time


def record_parked(intent: StripeIntent, error: Exception, *, at: datetime) -> None:
    """Record that an operator has to decide about the write; in the transaction that parks it."""
    reason = error.title if isinstance(error, DomainError) else UNEXPECTED
    _record(EventType.STRIPE_WRITE_PARKED, intent, reason, at)


def record_given_up(intent: StripeIntent, *, at: datetime) -> None:
    """Record that the write will never be sent; in the transaction that ends it."""
    _record(EventType.STRIPE_WRITE_GIVEN_UP, intent, GIVEN_UP, at)


def _record(event_type: EventType, intent: StripeIntent, reason: str, at: datetime) -> None:
    state: StripeWriteBody = {
        "id": intent.pk,
        "operation": intent.operation,
        "object": intent.subject,
        "stripe_id": intent.target or None,
        "reason": reason,
        "created_at": rfc3339(intent.created_at),
    }
    outbox.record(
        project_id=intent.project_id,
        event_type=event_type,
        subject=intent.pk,
        data=cast("Mapping[str, object]", state),
        at=at,
    )
