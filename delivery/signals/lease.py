"""The states of a signal, and who may move it: the process that has its lease."""

from datetime import datetime, timedelta
from secrets import token_hex

from common.models import ProjectQuerySet
from common.retry_pause import RetryPause
from delivery.models import SignalState, WorkflowSignal
from delivery.signals.outcomes import (
    NamespaceDown,
    Signaled,
    SignalFailed,
    SignalOutcome,
    SignalRefused,
)

LEASE = timedelta(minutes=2)
"""Longer than a run takes. A process that dies leaves its signals to another one after this time,
which sends them again with the same request id."""
PAUSE = RetryPause(
    first=timedelta(seconds=10), factor=3, longest=timedelta(hours=1), jitter=(1.0, 1.25)
)
ATTEMPTS = 12
"""Failures of its own after which a signal is parked. Those of the server do not count."""


def claim(row: WorkflowSignal, *, at: datetime) -> bool:
    """Take the lease of a planned signal. False if another process has been faster."""
    lease = token_hex(16)
    rows = WorkflowSignal.objects.for_project(row.project_id).filter(
        pk=row.pk, state=SignalState.PLANNED, lease=row.lease, due_at=row.due_at
    )
    if not rows.update(lease=lease, leased_until=at + LEASE):
        return False
    row.lease = lease
    return True


def record(row: WorkflowSignal, outcome: SignalOutcome | None, *, at: datetime) -> None:
    """Store what became of the signal and give the lease back; None: it was not tried."""
    rows = _leased(row)
    match outcome:
        case Signaled():
            rows.update(state=SignalState.SENT, reason="", sent_at=at, leased_until=None)
        case SignalRefused(reason):
            rows.update(state=SignalState.PARKED, reason=reason[:64], leased_until=None)
        case SignalFailed(reason):
            _plan_again(row, reason, at)
        case NamespaceDown(reason):
            rows.update(reason=reason[:64], leased_until=None)
        case None:
            rows.update(leased_until=None)


def _plan_again(row: WorkflowSignal, reason: str, at: datetime) -> None:
    attempts = row.attempts + 1
    _leased(row).update(
        state=SignalState.PARKED if attempts >= ATTEMPTS else SignalState.PLANNED,
        reason=reason[:64],
        attempts=attempts,
        due_at=at + PAUSE.after(failures=attempts),
        leased_until=None,
    )


def _leased(row: WorkflowSignal) -> ProjectQuerySet[WorkflowSignal]:
    """The row as long as nobody else has taken its lease."""
    rows = WorkflowSignal.objects.for_project(row.project_id)
    return rows.filter(pk=row.pk, lease=row.lease, state=SignalState.PLANNED)
