"""Fill lanes: deliveries that are due, replays, and new events of the log."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from common.prepared_statements import fetch_rows
from delivery.webhooks import fan_out, lane_sql, replays
from delivery.webhooks.lanes import DeliveryLane, DueDelivery
from events.log import selectors as event_log

LOADED = 300
"""Due deliveries of a lane that are read at once."""
LOAD_SECONDS = 1.0
"""Longest time between two looks of a lane for deliveries that others have added."""


def load(lanes: Iterable[DeliveryLane], *, at: datetime) -> None:
    """Read the due deliveries of lanes that have none in memory."""
    hungry = {
        lane.id: lane
        for lane in lanes
        if lane.load_at <= at and not lane.live and not lane.is_paused(at)
    }
    if not hungry:
        return
    rows = fetch_rows(
        lane_sql.LOAD,
        {
            "ids": list(hungry),
            "enabled": [lane.endpoint.is_enabled for lane in hungry.values()],
            "at": at,
            "limit": LOADED,
        },
    )
    counts: Counter[str] = Counter()
    for endpoint_id, *columns in rows:
        hungry[endpoint_id].add([DueDelivery(*columns)])
        counts[endpoint_id] += 1
    for lane in hungry.values():
        lane.has_replay = True  # until the next look says otherwise
    _plan_loads([lane for lane in hungry.values() if counts[lane.id] < LOADED], at)


def continue_replays(lanes: Iterable[DeliveryLane], *, at: datetime) -> None:
    """Create the next deliveries of replays, for lanes that have none of them in memory."""
    hungry = [
        lane for lane in lanes if lane.has_replay and not (lane.replays or lane.is_paused(at))
    ]
    if hungry:
        running = replays.run(hungry, at=at)
        for lane in hungry:
            lane.has_replay = lane.id in running


def take_new_events(lanes: Iterable[DeliveryLane], *, at: datetime) -> int:
    """Create deliveries of new events, for lanes with few deliveries in memory. Returns how many
    events were read. A lane that probes its receiver takes some only if it has nothing else."""
    hungry = [
        lane
        for lane in lanes
        if lane.endpoint.is_enabled
        and lane.is_low
        and (lane.is_idle or not lane.breaker.is_probing)
    ]
    if not hungry:
        return 0
    heads = event_log.heads({lane.endpoint.project_id for lane in hungry})
    behind = [lane for lane in hungry if lane.position < heads.get(lane.endpoint.project_id, 0)]
    return fan_out.run(behind, at=at)


def _plan_loads(lanes: Sequence[DeliveryLane], at: datetime) -> None:
    """Look again when the next delivery is due, or for what others have added."""
    lanes_by_id = {lane.id: lane for lane in lanes}
    rows = fetch_rows(lane_sql.NEXT_DUE, {"ids": list(lanes_by_id), "at": at})
    latest = at + timedelta(seconds=LOAD_SECONDS)
    for endpoint_id, due_at in rows:
        lanes_by_id[endpoint_id].load_at = min(due_at, latest) if due_at else latest
