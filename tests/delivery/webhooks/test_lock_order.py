"""What a person changes and what the dispatcher stores at the same time wait for each other, and
neither is broken off as a deadlock."""

from datetime import timedelta

import pytest
from django.db import transaction

from delivery.models import WebhookReplay
from delivery.webhooks import endpoints, lane_leases, manual, replays
from delivery.webhooks.selectors import endpoints as stored
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.receivers import receiving
from tests.delivery.webhooks.dispatching import Dispatching, attempts, endpoint_at, states
from tests.events.log.recording import record
from tests.stops.blocking import beside

pytestmark = pytest.mark.django_db(transaction=True)


def test_results_are_stored_while_the_endpoint_is_deleted(
    dispatching: Dispatching, project: Project
) -> None:
    dispatching.clock.seconds = 0.0  # so that nothing is stored before stop()
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.until(lambda: len(receiver.requests) == 1)
        dispatcher = dispatching.dispatcher
        while dispatcher.has_in_flight:
            dispatcher.collect(at=dispatching.at, wait=0.1)
        with transaction.atomic():
            assert stored.lock(project_id=project.pk, endpoint_id=row.pk)
            with_store = beside(lambda: dispatcher.stop(at=dispatching.at))
            with_store.__enter__()
            endpoints.delete(endpoint=row, actor="test", at=dispatching.at)
        with_store.__exit__(None, None, None)
    assert states(row) == [("canceled", 0)]
    assert len(attempts(row)) == 1


def test_a_replay_is_canceled_while_it_goes_on(dispatching: Dispatching, project: Project) -> None:
    row, _ = endpoint_at("https://hook.example.com/", project)
    begin = row.position
    record(project, "cus_1", 1)
    sequencer.run()
    endpoints.change(endpoint=row, changes={"skip_missed": True}, actor="test", at=dispatching.at)
    row.refresh_from_db()
    replay = manual.replay(
        endpoint=row, after=begin, until=None, failed_only=False, actor="test", at=dispatching.at
    )
    dispatching.at += timedelta(seconds=1)
    lanes = lane_leases.claim(limit=9, at=dispatching.at, now=0.0)
    with transaction.atomic():
        assert stored.lock(project_id=project.pk, endpoint_id=row.pk)
        with_step = beside(lambda: replays.run(lanes, at=dispatching.at))
        with_step.__enter__()
        manual.cancel_replay(replay=replay, actor="test", at=dispatching.at)
    with_step.__exit__(None, None, None)
    assert WebhookReplay.objects.for_project(project).get().deliveries == 1
