"""Events that are sent again by hand."""

import pytest

from delivery.models import WebhookEndpoint
from delivery.webhooks import manual
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.receivers import OK, receiving
from tests.delivery.webhooks.dispatching import (
    Dispatching,
    deliveries,
    endpoint_at,
    header,
    states,
)
from tests.delivery.webhooks.test_receivers import answer
from tests.events.log.recording import record

pytestmark = pytest.mark.django_db


def test_a_replay_sends_everything_behind_a_position_again(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        begin = row.position
        recorded = [record(project, f"cus_{number}", 1) for number in range(5)]
        sequencer.run()
        dispatching.settle()
        row.refresh_from_db()
        replay = manual.replay(
            endpoint=row,
            after=begin + 1,
            until=None,
            failed_only=False,
            actor="test",
            at=dispatching.at,
        )
        dispatching.settle()
        again = [each for each in receiver.requests if header(each, "tollgate-replay")]
    assert [header(each, "webhook-id") for each in again] == recorded[1:]
    replay.refresh_from_db()
    assert (replay.state, replay.deliveries) == ("completed", 4)


def test_a_replay_of_failed_deliveries_sends_only_those(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(answer("500 No", "webhook-abort-message: true"), OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        begin = row.position
        failed = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        record(project, "cus_2", 1)
        sequencer.run()
        dispatching.settle()
        manual.replay(
            endpoint=WebhookEndpoint.objects.for_project(project).get(pk=row.pk),
            after=begin,
            until=None,
            failed_only=True,
            actor="test",
            at=dispatching.at,
        )
        dispatching.settle()
    again = [each for each in receiver.requests if header(each, "tollgate-replay")]
    assert [header(each, "webhook-id") for each in again] == [failed]


def test_what_arrived_when_it_was_sent_again_has_not_failed(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(answer("500 No", "webhook-abort-message: true"), OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        begin = row.position
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        manual.send_again(delivery=deliveries(row)[0], actor="test", at=dispatching.at)
        dispatching.move(seconds=2)
        dispatching.settle()
        current = WebhookEndpoint.objects.for_project(project).get(pk=row.pk)
        manual.replay(
            endpoint=current,
            after=begin,
            until=None,
            failed_only=True,
            actor="test",
            at=dispatching.at,
        )
        dispatching.move(seconds=2)
        dispatching.settle()
    assert len(receiver.requests) == 2
    assert [state for state, _ in states(row)] == ["failed", "done"]
