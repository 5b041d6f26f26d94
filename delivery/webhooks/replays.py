"""Replays: events that are sent again to one endpoint, some hundreds at a time."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from delivery.models import DeliveryKind, DeliveryState, ReplayState, WebhookReplay
from delivery.webhooks import fan_out
from delivery.webhooks.fan_out import LogEntry
from delivery.webhooks.lanes import DeliveryLane
from delivery.webhooks.selectors import deliveries, replays


def run(lanes: Sequence[DeliveryLane], *, at: datetime) -> set[str]:
    """Create the next deliveries of running replays of these lanes. Returns the ids of the lanes
    that have one."""
    enabled = {lane.id: lane for lane in lanes if lane.endpoint.is_enabled}
    running = replays.running(list(enabled))
    for row in running:
        _step(row, enabled[row.endpoint_id], at)
    return {row.endpoint_id for row in running}


def _step(row: WebhookReplay, lane: DeliveryLane, at: datetime) -> None:
    with transaction.atomic():
        locked = replays.lock(project_id=row.project_id, replay_id=row.pk)
        if locked is None or locked.state != ReplayState.RUNNING:
            return
        page = _page(locked)
        entries = [each for each in page if lane.endpoint.wants(each.event_type)]
        created = fan_out.insert(
            [(lane, each, DeliveryState.WAITING.value) for each in entries],
            kind=DeliveryKind.REPLAY,
            replay_id=locked.pk,
            at=at,
        )
        _move(locked, page, len(created), at)
    lane.add(created)


def _page(row: WebhookReplay) -> list[LogEntry]:
    if row.failed_only:
        rows = deliveries.failed_page(
            endpoint_id=row.endpoint_id,
            project_id=row.project_id,
            after=row.position,
            until=row.until,
            limit=fan_out.PAGE,
        )
        return [LogEntry(*each) for each in rows]
    page = fan_out.read_page(project_id=row.project_id, after=row.position)
    return [each for each in page if each.position <= row.until]


def _move(row: WebhookReplay, page: Sequence[LogEntry], created: int, at: datetime) -> None:
    row.position = page[-1].position if page else row.until
    row.deliveries += created
    if row.position >= row.until or not page:
        row.state, row.finished_at = ReplayState.COMPLETED, at
    row.save(update_fields=["position", "deliveries", "state", "finished_at"])
