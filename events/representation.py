"""An event as JSON, the same for all ways out."""

from typing import Annotated, Any, TypedDict

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


def event(row: LoggedEvent) -> EventBody:
    """A logged event, with its event loaded."""
    recorded = row.event
    has_customer = row.customer_id != ""
    return {
        "id": recorded.pk,
        "type": recorded.type,
        "schema": recorded.schema_version,
        "occurred_at": rfc3339(recorded.occurred_at),
        "position": row.position,
        "customer": row.customer_id or None,
        "sequence": row.sequence if has_customer else None,
        "version": recorded.version if has_customer else None,
        "previous_version": row.previous_version if has_customer else None,
        "subject": recorded.subject,
        "cause": (
            {"type": recorded.cause_type, "id": recorded.cause_id} if recorded.cause_type else None
        ),
        "data": recorded.data,
        "previous": recorded.previous,
    }
