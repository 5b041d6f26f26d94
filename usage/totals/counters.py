"""Make a counter, or roll it into the window that holds a moment.

Made: nobody who writes records can see a row that is not committed yet, so the maker keeps ingest
out by the customer's stripe, adds up in a later statement, and raises ``siblings`` on the counters
that are there, by which consumers see that there is one more. Rolled: whoever writes records locks
every counter of customer and meter, so the row's own lock is enough. A counter never rolls back:
where a clock is a little behind, the new window has begun all the same. Only the counter of
extended windows (``usage.periods``) is put into the window that is asked for, whichever it was in.
"""

from datetime import datetime

from django.db import transaction

from usage.models import Counter
from usage.periods import Period, Window
from usage.totals import write_locks as stripes
from usage.totals.selectors import counters, totals
from usage.totals.selectors.totals import Span


def ensure(
    *, project_id: str, customer_id: str, meter_id: str, period: Period, at: datetime
) -> None:
    """The counter is there, and its window holds ``at`` or is a later one.

    To be called before any lock of a counter is taken: it waits for those who write records.
    """
    with transaction.atomic():
        found = counters.lock(
            project_id=project_id, customer_id=customer_id, meter_id=meter_id, period=period.key
        )
        if not found:
            _make(project_id, customer_id, meter_id, period, at)
        elif not period.is_window(Window(found[0].starts_at, found[0].ends_at), at=at):
            _roll(found[0], period.window(at))


def _make(project_id: str, customer_id: str, meter_id: str, period: Period, at: datetime) -> None:
    stripes.hold(customer_id)
    found = counters.lock(project_id=project_id, customer_id=customer_id, meter_id=meter_id)
    if any(each.period == period.key for each in found):
        return  # somebody else made it meanwhile
    window, rows = period.window(at), Counter.objects.for_project(project_id)
    siblings = len(found) + 1
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
    """What is reserved stays reserved: it will be used, if at all, in the new window."""
    counter.starts_at, counter.ends_at = window
    counter.used = _used(counter.project_id, counter.customer_id, counter.meter_id, window)
    counter.save(update_fields=["starts_at", "ends_at", "used"])


def _used(project_id: str, customer_id: str, meter_id: str, window: Window) -> int:
    span = Span(customer_id, meter_id, window.starts_at, window.ends_at)
    return totals.figures(project_id=project_id, spans=[span])[0]
