"""Events of rollouts: started, completed, superseded by a newer one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import cast

from billing.access.selectors.move_counts import with_moves
from billing.models import Rollout
from billing.representation.rollouts import rollout as represent
from common.models import RunStatus
from events.catalog import EventType
from events.log import outbox

EVENT_OF_STATUS = {
    RunStatus.DONE.value: EventType.ROLLOUT_COMPLETED,
    RunStatus.SUPERSEDED.value: EventType.ROLLOUT_SUPERSEDED,
}


def find_state(rollout: Rollout) -> Mapping[str, object]:
    """The rollout as a tenant sees it, with values that are not saved yet."""
    rows = with_moves(Rollout.objects.for_project(rollout.project_id).filter(pk=rollout.pk))
    counted = vars(rows.get())
    vars(rollout).update({name: counted[name] for name in ("move_count", "moved", "refused")})
    return cast("Mapping[str, object]", represent(rollout))


def record_start(rollout: Rollout, *, before: Mapping[str, object], at: datetime) -> None:
    """Record that a saved rollout has begun; ``before`` is its state as a plan, if it was one."""
    _record(rollout, EventType.ROLLOUT_STARTED, before, at)


@contextmanager
def recorded_end(rollout: Rollout, *, at: datetime) -> Iterator[None]:
    """Record the end of a locked rollout, if what happens inside ends it."""
    before = find_state(rollout)
    yield
    event_type = EVENT_OF_STATUS.get(rollout.status)
    if event_type is not None:
        _record(rollout, event_type, before, at)


def _record(
    rollout: Rollout, event_type: EventType, before: Mapping[str, object], at: datetime
) -> None:
    after = find_state(rollout)
    outbox.record(
        project_id=rollout.project_id,
        event_type=event_type,
        subject=rollout.pk,
        data=after,
        previous=outbox.previous_values(before, after),
        at=at,
    )
