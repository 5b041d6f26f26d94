"""Delete old signals."""

from datetime import datetime, timedelta

from delivery.models import SignalState, WorkflowSignal

KEPT = timedelta(days=90)
BATCH = 5000


def drop_old(*, at: datetime) -> int:
    """Delete up to ``BATCH`` old signals that are not planned any more. Returns how many."""
    rows = WorkflowSignal.objects.across_projects()
    old = rows.filter(created_at__lt=at - KEPT).exclude(state=SignalState.PLANNED)
    keys = list(old.order_by("created_at").values_list("pk", flat=True)[:BATCH])
    return rows.filter(pk__in=keys).delete()[0]
