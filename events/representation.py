"""An event as JSON, the same for all ways out."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypedDict

from common.bodies import Time
from common.context import CauseType
from common.times import rfc3339
from events.models import LoggedEvent


class CauseBody(TypedDict):
    """What caused the change."""

    type: Annotated[str, CauseType]
    id: Annotated[
        str,
        "Stripe's id of the event, the `X-Request-ID` of the request, the operator, or the name of "
        "the periodic task or command.",
    ]


class EventBody(TypedDict):
    """A change in your project. It never changes itself, unless its customer is erased."""

    id: Annotated[str, "The same however often the event is delivered."]
    type: str
    schema: Annotated[int, "Version of the shape of `data`. New members do not raise it."]
    occurred_at: Time
    position: Annotated[int, "Rises by 1 with each event of your project, in order of commits."]
    customer: Annotated[str | None, "Our id of the customer; null if it concerns none."]
    sequence: Annotated[int | None, "Rises by 1 with each event of the customer."]
    version: Annotated[int | None, "The customer's version after the change."]
    previous_version: Annotated[
        int | None, "The highest `version` of the customer's earlier events; 0 for the first."
    ]
    subject: Annotated[str, "The id of what changed."]
    cause: CauseBody | None
    data: Annotated[dict[str, Any], "The complete new state; its shape depends on the type."]
    previous: Annotated[dict[str, Any], "The old values of the members of `data` that changed."]


class EventColumns(NamedTuple):
    """What an event and its place in the log have stored. ``data`` and ``previous`` may be JSON
    that is rendered already (``orjson.Fragment``)."""

    id: str
    type: str
    schema: int
    occurred_at: datetime
    position: int
    customer_id: str
    sequence: int
    version: int
    previous_version: int
    subject: str
    cause_type: str
    cause_id: str
    data: Any
    previous: Any


def event(row: LoggedEvent) -> EventBody:
    """A logged event, with its event loaded."""
    recorded = row.event
    return event_of(
        EventColumns(
            id=recorded.pk,
            type=recorded.type,
            schema=recorded.schema_version,
            occurred_at=recorded.occurred_at,
            position=row.position,
            customer_id=row.customer_id,
            sequence=row.sequence,
            version=recorded.version,
            previous_version=row.previous_version,
            subject=recorded.subject,
            cause_type=recorded.cause_type,
            cause_id=recorded.cause_id,
            data=recorded.data,
            previous=recorded.previous,
        )
    )


def event_of(row: EventColumns) -> EventBody:
    """An event from its columns."""
    has_customer = row.customer_id != ""
    return {
        "id": row.id,
        "type": row.type,
        "schema": row.schema,
        "occurred_at": rfc3339(row.occurred_at),
        "position": row.position,
        "customer": row.customer_id or None,
        "sequence": row.sequence if has_customer else None,
        "version": row.version if has_customer else None,
        "previous_version": row.previous_version if has_customer else None,
        "subject": row.subject,
        "cause": {"type": row.cause_type, "id": row.cause_id} if row.cause_type else None,
        "data": row.data,
        "previous": row.previous,
    }
