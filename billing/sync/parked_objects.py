"""Events of mirrored objects that are parked: a tenant's copy is out of date until it is recovered.

``out_of_date_since`` of the queue's row says that the event of the parking is recorded. A request
to read the object again does not end it; an applied read does.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypedDict, cast

from billing.models import SyncObject
from billing.models.mirror import Mirror
from billing.models.sync_object import ObjectKind
from billing.sync import kinds
from billing.sync.selectors import owners
from billing.sync.sync_queue import SyncLease
from common.bodies import Time
from common.errors import DomainError
from common.times import rfc3339
from events.catalog import EventType
from events.log import outbox

UNEXPECTED = "The object could not be stored. An operator has to look at it."


class StripeObjectBody(TypedDict):
    """An object at Stripe whose state may differ from ours."""

    kind: Annotated[str, ObjectKind]
    stripe_id: str
    id: Annotated[str | None, "Our id of it; null before it is stored for the first time."]
    reason: Annotated[str | None, "Why it is not read any more; null when it is up to date."]
    out_of_date_since: Time | None


def record_parked(lease: SyncLease, error: Exception, *, at: datetime) -> None:
    """Record that an object of a known project is parked, unless that is recorded already. In the
    transaction that parks it."""
    if lease.out_of_date_since is not None:
        return
    row = _find_row(lease)
    project_id = row.project_id if row is not None else lease.account.project_id
    if project_id is None:
        return
    SyncObject.objects.filter(pk=lease.sync_id).update(out_of_date_since=at)
    reason = error.title if isinstance(error, DomainError) else UNEXPECTED
    _record(EventType.STRIPE_OBJECT_PARKED, project_id, _state(lease, row, at, reason), {}, at)


def record_recovered(lease: SyncLease, *, at: datetime) -> None:
    """Record that an object is up to date again, if its parking is recorded. In the transaction
    that applies it."""
    if lease.out_of_date_since is None:
        return
    row = _find_row(lease)
    project_id = row.project_id if row is not None else lease.account.project_id
    if project_id is None:
        return
    previous = {"out_of_date_since": rfc3339(lease.out_of_date_since)}
    state = _state(lease, row, None, None)
    _record(EventType.STRIPE_OBJECT_RECOVERED, project_id, state, previous, at)


def _find_row(lease: SyncLease) -> Mirror | None:
    model = kinds.of(lease.kind).mapper.model
    row: Mirror | None = owners.row_of(model, account=lease.account, stripe_id=lease.stripe_id)
    return row


def _state(
    lease: SyncLease, row: Mirror | None, since: datetime | None, reason: str | None
) -> StripeObjectBody:
    return {
        "kind": lease.kind,
        "stripe_id": lease.stripe_id,
        "id": str(row.pk) if row is not None else None,
        "reason": reason,
        "out_of_date_since": rfc3339(since),
    }


def _record(
    event_type: EventType,
    project_id: str,
    state: StripeObjectBody,
    previous: Mapping[str, object],
    at: datetime,
) -> None:
    outbox.record(
        project_id=project_id,
        event_type=event_type,
        subject=state["id"] or state["stripe_id"],
        data=cast("Mapping[str, object]", state),
        previous=previous,
        at=at,
    )
