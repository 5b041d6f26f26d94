"""Webhooks of tenants of very different size, in the lanes of one dispatcher.

Every tenant has one endpoint; deliveries are due at all of them. The dispatcher's own lanes are
claimed, filled and asked for the next delivery in turns, as it does; nothing is sent.
"""

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from common import ids
from delivery.models import WebhookDelivery, WebhookEndpoint
from delivery.webhooks import endpoints, lane_supply
from delivery.webhooks.endpoints import MAX_RATE, EndpointRequest
from delivery.webhooks.held_lanes import HeldLanes
from projects.models import Project

URL = "https://example.com/webhooks"
STEP = 0.01
"""Seconds between two rounds: each lane may send one of a rate of 100 a second."""
SMALL = 20
"""A tenant with so few deliveries is small."""


def insert_due_deliveries(
    projects: Sequence[Project], sizes: Sequence[int], *, at: datetime
) -> None:
    """An endpoint for each project, with so many deliveries; the giant's, the first, are oldest."""
    for place, (project, size) in enumerate(zip(projects, sizes, strict=True)):
        request = EndpointRequest(url=URL, rate=MAX_RATE)
        row, _ = endpoints.create(project=project, request=request, actor="command", at=at)
        due = at - timedelta(seconds=len(projects) - place)
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(
                id=ids.new_id("whd"),
                project=project,
                endpoint=row,
                kind="live",
                event_id=ids.new_id("evt"),
                event_type="customer.updated",
                position=number + 1,
                state="waiting",
                due_at=due,
            )
            for number in range(size)
        )
        WebhookEndpoint.objects.for_project(project).filter(pk=row.pk).update(due_at=due)


def take_all(projects: Sequence[Project], *, at: datetime) -> tuple[list[int], list[float]]:
    """Take every delivery in the dispatcher's order. Returns the projects' numbers in that order,
    and when each was taken, in seconds at the lanes' own pace."""
    numbers = {project.pk: number for number, project in enumerate(projects)}
    lanes, now = HeldLanes(), 0.0
    order: list[int] = []
    times: list[float] = []
    while True:
        claimed = lanes.claim(at=at, now=now)
        for lane in lanes:
            lane.load_at = at
        lane_supply.load(lanes, at=at)
        lane_supply.continue_replays(lanes, at=at)
        taken = _take_round(lanes, now)
        finish([delivery_id for _, delivery_id in taken], at=at)
        order += [numbers[project_id] for project_id, _ in taken]
        times += [now] * len(taken)
        if not (taken or claimed or any(not lane.is_idle for lane in lanes)):
            return order, times
        now += STEP


def _take_round(lanes: HeldLanes, now: float) -> list[tuple[str, str]]:
    """One delivery of each lane that may send one: the project and the delivery."""
    taken = []
    for lane in lanes.one_round():
        delivery = lane.take(now)
        if delivery is not None:
            lane.put_back(delivery)  # the request has ended; its result is stored by finish()
            taken.append((lane.endpoint.project_id, delivery.id))
    return taken


def finish(delivery_ids: Sequence[str], *, at: datetime) -> None:
    """Store that these were accepted."""
    rows = WebhookDelivery.objects.across_projects().filter(pk__in=delivery_ids)
    rows.update(state="done", finished_at=at)


def simulate(sizes: Sequence[int]) -> None:
    """Make these deliveries due in the database of this process, take them, and print what was
    seen."""
    now = timezone.now()
    projects = [
        Project.objects.create(name=f"Skew {n}", slug=f"skew-{n}", default_currency="usd")
        for n in range(len(sizes))
    ]
    insert_due_deliveries(projects, sizes, at=now)
    order, times = take_all(projects, at=now)
    last = dict(zip(order, times, strict=True))
    small = sorted(last[number] for number, size in enumerate(sizes) if size <= SMALL)
    print(
        f"Webhooks: {len(order):,} of {len(sizes)} endpoints; the last of a small tenant is sent "
        f"after {statistics.median(small):.1f} s (longest {small[-1]:.1f} s), the giant's after "
        f"{last[0]:.0f} s, at {MAX_RATE} a second for each endpoint."
    )
    if sorted(order) != sorted(n for n, size in enumerate(sizes) for _ in range(size)):
        print(f"WRONG: {sum(sizes)} were due")
