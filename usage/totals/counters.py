"""Create a counter, or roll it into another window.

Create: writers of records cannot see an uncommitted counter, so the creator excludes them by the
customer's write lock, adds up the totals in a later statement, and raises ``siblings`` on the
existing counters, which tells consumers that there is one more. Roll: writers lock every counter of
customer and meter, so the row's own lock suffices. A counter never rolls back, because clocks
differ slightly. Only the counter of extended windows (``usage.periods``) is set to the requested
window in any case.
"""

from datetime import datetime

from django.db import transaction

from usage.models import Counter
from usage.periods import Period, Window
from usage.totals import write_locks
from usage.totals.selectors import counters, totals
from usage.totals.selectors.totals import Span


def ensure(
    *, project_id: str, customer_id: str, meter_id: str, period: Period, at: datetime
) -> None:
    """Make sure that the counter exists and that its window holds ``at`` or a later time.

    Call it before locking any counter: it waits for writers of records.
    """
    with transaction.atomic():
        locked = counters.lock(
            project_id=project_id, customer_id=customer_id, meter_id=meter_id, period=period.key
        )
        if not locked:
            _make(project_id, customer_id, meter_id, period, at)
        elif not period.is_window(Window(locked[0].starts_at, locked[0].ends_at), at=at):
            _roll(locked[0], period.window(at))


def _make(project_id: str, customer_id: str, meter_id: str, period: Period, at: datetime) -> None:
    write_locks.lock_exclusive(customer_id)
    siblings_locked = counters.lock(
        project_id=project_id, customer_id=customer_id, meter_id=meter_id
    )
    if any(counter.period == period.key for counter in siblings_locked):
        return  # somebody else made it meanwhile
    window, rows = period.window(at), Counter.objects.for_project(project_id)
    siblings = len(siblings_locked) + 1
    rows.create(
        customer_id=customer_id,
        meter_id=meter_id,
        period=period.key,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        used=_used(project_id, customer_id, meter_id, window),
        siblings=siblings,
    )
    rows.filter(customer_id=customer_id, meter_id=meter_id).update(siblings=siblings)


def _roll(counter: Counter, window: Window) -> None:
    """Reserved units stay reserved: they will be used in the new window."""
    counter.starts_at, counter.ends_at = window
    counter.used = _used(counter.project_id, counter.customer_id, counter.meter_id, window)
    counter.save(update_fields=["starts_at", "ends_at", "used"])


def _used(project_id: str, customer_id: str, meter_id: str, window: Window) -> int:
    span = Span(customer_id, meter_id, window.starts_at, window.ends_at)
    return totals.usage_of_spans(project_id=project_id, spans=[span])[0]
