"""Operators' decisions about a subject of a queue that keeps failing."""

from datetime import datetime

from django.db import transaction

from billing.models import StripeAccount
from common import fair_queue
from common.models import BackOff
from events.audit import audit_trail as audit
from projects.models import Project


def try_again(*, row: BackOff, actor: str, reason: str, at: datetime) -> None:
    """Let this subject be tried at once, parked or not."""
    with transaction.atomic():
        fair_queue.resume(owner=row.owner, queue=row.queue, subject=row.subject)
        audit.record(
            actor=actor,
            action="queue.try_again",
            subject=row.subject or row.owner,
            project_id=_project_of(row),
            reason=reason,
            before={"queue": row.queue, "failures": row.failures, "code": row.code},
            at=at,
        )


def _project_of(row: BackOff) -> str | None:
    account = StripeAccount.objects.filter(pk=row.owner).first()
    if account is not None:
        owner: str | None = account.project_id
        return owner
    return row.owner if Project.objects.filter(pk=row.owner).exists() else None
