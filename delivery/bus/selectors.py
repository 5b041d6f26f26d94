"""Reads of the relay."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Exists, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from common.fair_queue import IS_BACKING_OFF
from common.models import BackOff
from common.prepared_queries import Parameter, PreparedValues
from delivery.models import Outlet
from events.log.selectors import HEAD
from events.models import LogHead

QUEUE = "bus"
"""Of the back-off of a bus that is away; its owner is the outlet."""


@dataclass(frozen=True, slots=True)
class RelayState:
    """Whether there are events to publish, and whether the outlet waits after a failure."""

    has_events: bool
    is_waiting: bool


def _states() -> QuerySet[Any, Any]:
    cursor = Outlet.objects.filter(pk=Parameter("name")).values("number")
    failures = BackOff.objects.filter(IS_BACKING_OFF, queue=QUEUE, owner=Parameter("name"))
    return (
        LogHead.objects.filter(pk=HEAD)
        .annotate(
            cursor=Coalesce(Subquery(cursor), Value(0), output_field=BigIntegerField()),
            is_waiting=Exists(failures),
        )
        .values_list("number", "cursor", "is_waiting")
    )


_STATE = PreparedValues(_states)


def relay_state(name: str) -> RelayState | None:
    """What the relay of this outlet has to do; None while the log is empty."""
    rows = _STATE.rows(name=name)
    if not rows:
        return None
    number, cursor, is_waiting = rows[0]
    return RelayState(has_events=number > cursor, is_waiting=is_waiting)


def has_failed(name: str) -> bool:
    """Whether the outlet's last run before this one failed."""
    return BackOff.objects.filter(queue=QUEUE, owner=name).exists()
