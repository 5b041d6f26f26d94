"""An operator asks for Stripe objects to be read again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing.sync import service as sync
from common.queue import enqueue
from events.services import audit


@dataclass(frozen=True, order=True, slots=True)
class Wanted:
    """A Stripe object, and the id of the row on whose account it is read again."""

    account_id: str
    kind: str
    stripe_id: str
    subject: str
    project_id: str | None


def ask(*, wanted: Iterable[Wanted], reason: str, actor: str, at: datetime) -> int:
    """Mark the objects to be read at once, with an audit entry for each; how many there are."""
    objects = sorted(set(wanted), key=lambda each: (each.account_id, each.kind, each.stripe_id))
    with transaction.atomic():
        for each in objects:
            audit.record(
                actor=actor,
                action="mirror.read_again",
                subject=each.subject,
                project_id=each.project_id,
                reason=reason,
                after={"kind": each.kind, "stripe_id": each.stripe_id},
                at=at,
            )
        for each in objects:
            sync.mark(
                account_id=each.account_id, kind=each.kind, stripe_id=each.stripe_id, at_once=True
            )
        enqueue("billing.sync")
    return len(objects)
