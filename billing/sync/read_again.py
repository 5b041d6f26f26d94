"""Requests of operators to read Stripe objects again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing.sync import service as sync
from common.queue import enqueue
from events.audit import audit_trail as audit


@dataclass(frozen=True, order=True, slots=True)
class RereadObject:
    """A Stripe object, and the id of the row for which it is read again (``subject``)."""

    account_id: str
    kind: str
    stripe_id: str
    subject: str
    project_id: str | None


def request_read(*, objects: Iterable[RereadObject], reason: str, actor: str, at: datetime) -> int:
    """Request a read of each object at once, with an audit entry. Returns how many there are."""
    rows = sorted(set(objects), key=lambda row: (row.account_id, row.kind, row.stripe_id))
    with transaction.atomic():
        for row in rows:
            audit.record(
                actor=actor,
                action="mirror.read_again",
                subject=row.subject,
                project_id=row.project_id,
                reason=reason,
                after={"kind": row.kind, "stripe_id": row.stripe_id},
                at=at,
            )
        for row in rows:
            sync.request_sync(
                account_id=row.account_id, kind=row.kind, stripe_id=row.stripe_id, at_once=True
            )
        enqueue("billing.sync")
    return len(rows)
