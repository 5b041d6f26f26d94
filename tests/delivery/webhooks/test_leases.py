"""What keeps processes and projects apart: leases, and the owner of an event."""

from datetime import timedelta

import pytest

from common import ids
from delivery.models import WebhookDelivery, WebhookEndpoint
from delivery.webhooks import fan_out, lane_leases
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.receivers import receiving
from tests.delivery.webhooks.dispatching import Dispatching, endpoint_at, states
from tests.events.log.recording import record

pytestmark = pytest.mark.django_db


def test_whoever_has_lost_the_lease_takes_no_events(
    dispatching: Dispatching, project: Project
) -> None:
    row, _ = endpoint_at("https://example.com/", project)
    record(project, "cus_1", 1)
    sequencer.run()
    [lost] = lane_leases.claim(limit=9, at=dispatching.at, now=0.0)
    WebhookEndpoint.objects.for_project(project).update(leased_until=None)
    [lane] = lane_leases.claim(limit=9, at=dispatching.at, now=0.0)
    assert fan_out.run([lost], at=dispatching.at) == 0
    assert (states(row), list(lost.live)) == ([], [])
    assert fan_out.run([lane], at=dispatching.at) == 1
    assert states(row) == [("waiting", 0)]
    assert lane_leases.renew([lost, lane]) == {row.pk}
    assert lane_leases.renew([lost]) == set()
    lane_leases.release([lost])
    row.refresh_from_db()
    assert row.leased_until is not None


def test_what_a_dead_process_has_taken_is_found(dispatching: Dispatching, project: Project) -> None:
    row, _ = endpoint_at("https://example.com/", project)
    record(project, "cus_1", 1)
    sequencer.run()
    rows = WebhookEndpoint.objects.for_project(project)
    rows.update(due_at=None)
    lanes = lane_leases.claim(limit=9, at=dispatching.at, now=0.0)
    assert fan_out.run(lanes, at=dispatching.at) == 1
    rows.update(leased_until=None)  # the process is dead, and its lease has ended
    again = lane_leases.claim(limit=9, at=dispatching.at, now=0.0)
    assert [lane.id for lane in again] == [row.pk]
    assert states(row) == [("waiting", 0)]


def test_an_event_of_another_project_is_never_sent(
    dispatching: Dispatching, project: Project, other_project: Project
) -> None:
    """Not even if a row of ours said so."""
    foreign = record(other_project, "cus_9", 1)
    sequencer.run()
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        delivery = WebhookDelivery(
            id=ids.new_id("whd"),
            project=project,
            endpoint=row,
            kind="live",
            event_id=foreign,
            event_type="customer.updated",
            position=1,
            state="waiting",
            due_at=dispatching.at,
        )
        delivery.save(force_insert=True)
        WebhookEndpoint.objects.for_project(project).update(due_at=dispatching.at)
        for _ in range(5):
            dispatching.tick()
        dispatching.at = ids.time_of(foreign) + timedelta(hours=1)
        dispatching.until(lambda: states(row) == [("canceled", 0)])
    assert receiver.requests == []
