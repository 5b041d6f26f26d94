"""Send a parked signal again that a person has decided about."""

from datetime import datetime

from django.db import transaction

from delivery.errors import SignalNotParked
from delivery.models import SignalState, WorkflowSignal
from delivery.signals import selectors
from events.audit import audit_trail as audit


def send_again(*, signal: WorkflowSignal, actor: str, reason: str, at: datetime) -> WorkflowSignal:
    """Plan it anew, with the same request id: a workflow that got it gets it once. Audited.

    Raises SignalNotParked for one that was sent or is going to be.
    """
    with transaction.atomic():
        row = selectors.lock(project_id=signal.project_id, signal_id=signal.pk)
        if row is None or row.state != SignalState.PARKED:
            raise SignalNotParked("Only parked signals are sent again.")
        before = {"state": row.state, "reason": row.reason}
        row.state, row.reason, row.attempts = SignalState.PLANNED, "", 0
        row.due_at, row.leased_until = at, None
        row.save(update_fields=["state", "reason", "attempts", "due_at", "leased_until"])
        audit.record(
            actor=actor,
            action="workflow_signal.send_again",
            subject=row.pk,
            project_id=row.project_id,
            reason=reason,
            before=before,
            after={"state": row.state},
            at=at,
        )
    return row
