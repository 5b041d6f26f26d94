"""Events of purchased lines: fulfilled, revoked, restored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from billing.models import CheckoutLine
from billing.representation.checkout_lines import purchased_line as represent
from common.times import rfc3339
from events.catalog import EventType
from events.log import outbox
from events.log.outbox import NewEvent
from projects.models import Customer


@dataclass(frozen=True, slots=True)
class LineChange:
    """A saved line that has just changed, and the old times of what changed."""

    line: CheckoutLine
    event_type: EventType
    previous: Mapping[str, datetime | None]


def fulfilled(line: CheckoutLine) -> LineChange:
    return LineChange(line, EventType.CHECKOUT_LINE_FULFILLED, {"fulfilled_at": None})


def revoked(line: CheckoutLine) -> LineChange:
    return LineChange(line, EventType.CHECKOUT_LINE_REVOKED, {"revoked_at": None})


def restored(line: CheckoutLine, *, revoked_at: datetime) -> LineChange:
    return LineChange(line, EventType.CHECKOUT_LINE_RESTORED, {"revoked_at": revoked_at})


def record(changes: Sequence[LineChange], *, customer: Customer, at: datetime) -> None:
    """Record the changes under the customer's current version, which the caller has raised."""
    for event_type in sorted({change.event_type for change in changes}):
        outbox.record_many(
            project_id=customer.project_id,
            event_type=event_type,
            events=[
                _event(change, customer) for change in changes if change.event_type == event_type
            ],
            at=at,
        )


def _event(change: LineChange, customer: Customer) -> NewEvent:
    return NewEvent(
        subject=change.line.pk,
        customer_id=customer.pk,
        version=customer.version,
        data=cast("Mapping[str, object]", represent(change.line)),
        previous={name: rfc3339(time) for name, time in change.previous.items()},
    )
