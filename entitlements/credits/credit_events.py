"""Events of credit grants: what was posted to them, and changes of their terms.

``credits.low`` and ``credits.exhausted`` are about the balance; the ledger records those. Spending
and reserving are answered to the caller and have no event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from entitlements.credits import credit_representation as representation
from entitlements.models import CreditAccount, CreditGrant
from entitlements.models.credit_grant import SUMS, CreditGrantStatus
from entitlements.resolution.credit_allocation import (
    CreditMovement,
    PlannedTransaction,
    apply_legs,
)
from events.catalog import EventType
from events.log import outbox
from events.log.outbox import NewEvent

EVENT_OF_MOVEMENT = {
    CreditMovement.GRANT: EventType.CREDITS_GRANTED,
    CreditMovement.TAKE_BACK: EventType.CREDITS_REVOKED,
    CreditMovement.WITHHOLD: EventType.CREDITS_WITHHELD,
    CreditMovement.RESTORE: EventType.CREDITS_RESTORED,
    CreditMovement.EXPIRE: EventType.CREDITS_EXPIRED,
}
MEMBERS_OF_END = frozenset({"status", "expires_at"})
"""Members of a grant that change when it ends."""


@dataclass(frozen=True, slots=True)
class CreditEvent:
    """An event of a grant that is not recorded yet."""

    type: EventType
    event: NewEvent


def build_posted(
    account: CreditAccount,
    grant: CreditGrant,
    *,
    steps: Sequence[PlannedTransaction],
    before: Mapping[str, object],
    at: datetime,
) -> list[CreditEvent]:
    """One event for each of these posted transactions, and the grant's sums after them.

    ``before`` is the grant as the tenant saw it last; empty for a new grant.
    """
    events, lot = [], grant.lot
    for step in steps:
        lot = apply_legs(lot, step.legs)
        for name in SUMS:
            setattr(grant, name, getattr(lot, name))
        after = representation.grant(grant, at=at)
        events.append(_build(EVENT_OF_MOVEMENT[step.movement], account, before, after))
        before = after
    return events


def build_updated(
    account: CreditAccount,
    grant: CreditGrant,
    *,
    event_type: EventType,
    before: Mapping[str, object],
    at: datetime,
) -> list[CreditEvent]:
    """The event of a change that moved no credits; none if the tenant sees no change.

    The end of a grant that has no credits to expire has none, whether it comes early or not.
    """
    after = representation.grant(grant, at=at)
    changed = outbox.previous_values(before, after).keys()
    has_only_ended = after["status"] == CreditGrantStatus.EXPIRED and changed <= MEMBERS_OF_END
    if not changed or has_only_ended:
        return []
    return [_build(event_type, account, before, after)]


def record(account: CreditAccount, events: Sequence[CreditEvent], *, at: datetime) -> None:
    """Record these events in order. Successive events of one type take one statement."""
    for event_type, group in groupby(events, key=lambda each: each.type):
        outbox.record_many(
            project_id=account.project_id,
            event_type=event_type,
            events=[each.event for each in group],
            at=at,
        )


def _build(
    event_type: EventType,
    account: CreditAccount,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> CreditEvent:
    event = NewEvent(
        subject=str(after["id"]),
        data=after,
        previous=outbox.previous_values(before, after),
        customer_id=account.customer_id,
        version=account.customer.version,
    )
    return CreditEvent(event_type, event)
