"""`manage.py deliver` that dies anywhere: every event arrives, in the order of its customer, and
repetitions have the same id and the same bytes."""

import json
from collections import Counter
from collections.abc import Iterable

import pytest
from pytest_django import Settings

from common.conf import EgressSettings
from delivery.models import WebhookDelivery, WebhookEndpoint
from events.log import sequencer
from projects.models import Project
from tests.chaos.figures import Arrival, compare
from tests.chaos.kills.processes import Forks, step_of
from tests.chaos.kills.traffic import Traffic
from tests.chaos.lengths import KILLS
from tests.delivery.sender.receivers import ReceivedRequest, receiving
from tests.delivery.webhooks.dispatching import endpoint_at, header
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 15_000
"""More than the dispatcher takes from its start to the results of ten deliveries."""
BATCH = 10


def test_killed_at_every_step(project: Project, forks: Forks, settings: Settings) -> None:
    settings.EGRESS = EgressSettings(loopback=True)
    traffic = Traffic(project)
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project, ordering="customer")
        for kill in range(KILLS):
            traffic.record(BATCH)
            sequencer.run()
            forks.kill_at("webhooks", step=step_of(kill, STEPS))
            end_leases()
        with forks.running("webhooks"):
            wait_until(lambda: count(row) == {"done": len(traffic.keys)}, lambda: f"{count(row)}")
    check_bytes(receiver.requests)
    arrivals = [arrival_of(traffic, each) for each in receiver.requests]
    compare(
        traffic.keys, arrivals, run="webhook sender killed", size=f"{KILLS} kills", may_repeat=True
    ).publish()


def count(row: WebhookEndpoint) -> Counter[str]:
    """How many deliveries of the endpoint have each state."""
    rows = WebhookDelivery.objects.for_project(row.project_id).filter(endpoint=row)
    return Counter(rows.values_list("state", flat=True))


def arrival_of(traffic: Traffic, request: ReceivedRequest) -> Arrival:
    """As the receiver reads it: the customer and its version are in the body."""
    body = json.loads(request.body)
    return Arrival(body["customer"], body["version"], header(request, "webhook-id"))


def check_bytes(requests: Iterable[ReceivedRequest]) -> None:
    bodies: dict[str, bytes] = {}
    for request in requests:
        event_id = header(request, "webhook-id")
        assert bodies.setdefault(event_id, request.body) == request.body


def end_leases() -> None:
    """As if the time of the dead process's leases had passed."""
    WebhookEndpoint.objects.across_projects().update(leased_until=None)
