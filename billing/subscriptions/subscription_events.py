"""Decide which event announces a change of a subscription."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from billing.models import Subscription
from billing.models.subscription import ENDED, ENTITLING, SubscriptionStatus, is_paused
from billing.sync.plan import Differences, RowPlan
from events.catalog import EventType

SILENT_COLUMNS = frozenset(
    {"anchored_at", "quotas_anchored_at", "latest_invoice_stripe_id", "schedule_stripe_id"}
)
"""Columns whose change alone records no event: their effects have events of their own."""


def event_types(plan: RowPlan[Subscription], differences: Differences) -> Iterator[EventType]:
    """Yield the event of the new status, else ``subscription.updated``: at most one per change.

    The start of a new period alone yields none: ``billing.access.renewals`` records the renewal
    when it is paid.
    """
    if plan.is_new:
        yield EventType.SUBSCRIPTION_CREATED
    status_event = _status_event(
        _service_state(plan.row, differences, 0), _service_state(plan.row, differences, 1)
    )
    if status_event is not None:
        yield status_event
    elif not plan.is_new and _is_news(plan, differences):
        yield EventType.SUBSCRIPTION_UPDATED


def _is_news(plan: RowPlan[Subscription], differences: Differences) -> bool:
    """Return whether more has changed than that a live subscription entered its next period."""
    names = differences.keys() - SILENT_COLUMNS
    is_next_period = any(_is_period_advance(*difference) for difference in differences.items())
    if is_next_period and _service_state(plan.row, differences, 1).status in ENTITLING:
        names = {name for name in names if not name.endswith(PERIOD_SUFFIXES)} - {"status"}
    return bool(names)


PERIOD_SUFFIXES = (".period_start", ".period_end")
"""Endings of the difference names that a new period changes: item columns."""


class _ServiceState(NamedTuple):
    status: str
    pause_behavior: str


def _service_state(row: Subscription, differences: Differences, side: int) -> _ServiceState:
    """Return the status and pause before the change (``side`` 0) or after it (1)."""

    def read_value(name: str) -> str:
        value: str = differences[name][side] if name in differences else getattr(row, name)
        return value

    return _ServiceState(read_value("status"), read_value("pause_behavior"))


def _status_event(before: _ServiceState, after: _ServiceState) -> EventType | None:
    """Return the event of a change of status or pause, None if it has no event of its own."""
    if before.status != after.status and after.status in ENDED:
        return EventType.SUBSCRIPTION_CANCELED
    if is_paused(*before) != is_paused(*after):
        has_paused = is_paused(*after)
        return EventType.SUBSCRIPTION_PAUSED if has_paused else EventType.SUBSCRIPTION_RESUMED
    if before.status != after.status and after.status == SubscriptionStatus.PAST_DUE:
        return EventType.SUBSCRIPTION_PAST_DUE
    return None


def _is_period_advance(name: str, values: tuple[Any, Any]) -> bool:
    """Return whether the difference is an item that entered its next period."""
    return name.endswith(".period_start") and values[1] > values[0]
