"""Deliveries to real receivers: signed, retried on schedule, each endpoint for itself."""

import json

import pytest
from standardwebhooks import Webhook

from delivery.models import DeliveryState, WebhookEndpoint
from delivery.webhooks import endpoints, schedule
from delivery.webhooks.pace import FIRST_PAUSE
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.receivers import OK, receiving
from tests.delivery.webhooks.dispatching import (
    Dispatching,
    attempts,
    check_signature,
    deliveries,
    endpoint_at,
    header,
    states,
)
from tests.events.log.recording import record

pytestmark = pytest.mark.django_db

ERROR = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"


def test_an_event_is_delivered_once_with_its_bytes_and_a_signature(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, key = endpoint_at(receiver, project, headers={"X-Gate": "open"})
        event_id = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        dispatching.settle()
    [request] = receiver.requests
    check_signature(request, key, at=dispatching.at)
    assert header(request, "webhook-id") == event_id
    assert header(request, "x-gate") == "open"
    body = json.loads(request.body)
    assert (body["id"], body["position"]) == (event_id, row.position + 1)
    assert states(row) == [("done", 1)]
    [attempt] = attempts(row)
    assert (attempt.status, bytes(attempt.response_body), attempt.number) == (200, b"ok", 1)
    assert attempt.request_headers["x-gate"] == "•••"
    assert "webhook-signature" not in attempt.request_headers
    row.refresh_from_db()
    assert (row.position, row.last_success_at) == (body["position"], dispatching.at)


def test_the_signature_is_that_of_standard_webhooks(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        secret = row.secrets.get().open()
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    [request] = receiver.requests
    headers = {name.lower(): value for name, value in request.headers}
    assert Webhook(secret).verify(request.body, headers)["type"] == json.loads(request.body)["type"]


def test_a_failed_delivery_is_tried_again_on_schedule_until_it_succeeds(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(ERROR, ERROR, OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        assert states(row) == [("waiting", 1)]
        [delivery] = deliveries(row)
        assert 4.5 <= (delivery.due_at - dispatching.at).total_seconds() <= 5.5
        dispatching.move(seconds=4)
        dispatching.settle()
        assert len(receiver.requests) == 1
        dispatching.move(seconds=2)
        dispatching.settle()
        assert states(row) == [("waiting", 2)]
        dispatching.move(minutes=6)
        dispatching.settle()
    assert states(row) == [("done", 3)]
    assert len({header(each, "webhook-id") for each in receiver.requests}) == 1
    assert len({each.body for each in receiver.requests}) == 1
    assert len({each.body_digest for each in attempts(row)}) == 1


def test_ten_attempts_over_75_hours_then_it_has_failed(
    dispatching: Dispatching, project: Project
) -> None:
    begin = dispatching.at
    with receiving(ERROR) as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        times = [dispatching.at]
        while (delivery := deliveries(row)[0]).state == DeliveryState.WAITING:
            row.refresh_from_db()
            dispatching.at = max(delivery.due_at, row.breaker_until or delivery.due_at)
            times.append(dispatching.at)
            dispatching.settle()
    assert (delivery.state, delivery.attempts, delivery.reason) == (
        "failed",
        10,
        "attempts_exhausted",
    )
    assert len(receiver.requests) == len(attempts(row)) == 10
    planned = sum(schedule.DELAYS)
    assert 0.9 * planned <= (times[-1] - begin).total_seconds() <= 1.1 * planned


def test_a_receiver_that_fails_is_left_alone_for_a_while_then_probed(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(*[ERROR] * 8, OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        for number in range(30):
            record(project, f"cus_{number}", 1)
        sequencer.run()
        dispatching.settle()
        tried = len(receiver.requests)
        assert 5 <= tried <= 8  # what was in flight when the fifth failed
        row.refresh_from_db()
        assert row.breaker_until == dispatching.at + FIRST_PAUSE
        dispatching.move(seconds=29)
        dispatching.settle()
        assert len(receiver.requests) == tried
        for _ in range(5):
            dispatching.move(minutes=31)
            dispatching.settle()
    assert {state for state, _ in states(row)} == {"done"}


def test_one_customer_keeps_the_order_and_delays_no_other(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(OK, ERROR, OK) as receiver:
        row, _ = endpoint_at(receiver, project, ordering="customer")
        for number in range(1, 4):
            record(project, "cus_1", number)
        sequencer.run()
        dispatching.settle()
        assert states(row) == [("done", 1), ("waiting", 1), ("behind", 0)]
        record(project, "cus_2", 1)
        sequencer.run()
        dispatching.settle()
        assert states(row)[3] == ("done", 1)
        dispatching.move(seconds=6)
        dispatching.settle()
    assert {state for state, _ in states(row)} == {"done"}
    sequences = [
        (body["customer"], body["sequence"])
        for body in (json.loads(each.body) for each in receiver.requests)
    ]
    assert [number for customer, number in sequences if customer == "cus_1"] == [1, 2, 2, 3]


def test_the_next_event_of_a_customer_does_not_wait_for_a_full_batch_of_results(
    dispatching: Dispatching, project: Project
) -> None:
    """The clock stands still but for 20 ms after the first answer."""
    dispatching.clock.seconds = 1000.0
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project, ordering="customer")
        for number in range(1, 3):
            record(project, "cus_1", number)
        sequencer.run()
        dispatching.until(lambda: dispatching.dispatcher.delivered == 1)
        dispatching.clock.seconds += 0.02
        dispatching.until(lambda: dispatching.dispatcher.delivered == 2)
        dispatching.dispatcher.stop(at=dispatching.at)
    assert states(row) == [("done", 1), ("done", 1)]


def test_a_disabled_endpoint_loses_nothing(dispatching: Dispatching, project: Project) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        endpoints.change(endpoint=row, changes={"enabled": False}, actor="test", at=dispatching.at)
        event_id = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        assert receiver.requests == []
        endpoints.change(endpoint=row, changes={"enabled": True}, actor="test", at=dispatching.at)
        sequencer.run()
        dispatching.settle()
    ids = [header(each, "webhook-id") for each in receiver.requests]
    types = [json.loads(each.body)["type"] for each in receiver.requests]
    assert event_id in ids
    assert {"webhook_endpoint.disabled", "webhook_endpoint.updated"} < set(types)


def test_a_deleted_endpoint_gets_nothing_more(dispatching: Dispatching, project: Project) -> None:
    with receiving(ERROR) as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        endpoints.delete(endpoint=row, actor="test", at=dispatching.at)
        dispatching.move(hours=1)
        dispatching.settle()
    assert len(receiver.requests) == 1
    assert states(row) == [("canceled", 1)]
    assert deliveries(row)[0].reason == "endpoint_deleted"


def test_only_chosen_types_are_delivered(dispatching: Dispatching, project: Project) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project, event_types=["payment.*"])
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    assert receiver.requests == []
    assert states(row) == []
    stored = WebhookEndpoint.objects.for_project(project).get(pk=row.pk)
    assert stored.position == row.position + 1


def test_no_project_gets_the_events_of_another(
    dispatching: Dispatching, project: Project, other_project: Project
) -> None:
    with receiving() as mine, receiving() as others:
        endpoint_at(mine, project)
        endpoint_at(others, other_project)
        event_id = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    ids = [header(each, "webhook-id") for each in mine.requests]
    assert event_id in ids
    assert event_id not in [header(each, "webhook-id") for each in others.requests]
