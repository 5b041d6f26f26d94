"""Receivers that are away for hours and days (SCENARIOS.md H9, H10, G26), and several
dispatchers."""

import json
import socket
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from delivery.models import WebhookEndpoint
from delivery.sender.process import SenderProcess
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.conftest import LOCAL
from tests.delivery.sender.receivers import OK, close, receiving
from tests.delivery.webhooks.dispatching import (
    Dispatching,
    attempts,
    deliveries,
    endpoint_at,
    header,
    recorded_types,
    states,
)
from tests.events.log.recording import record

pytestmark = pytest.mark.django_db


def pass_time(dispatching: Dispatching, *, hours: float, step: float = 1.0) -> None:
    """Let time pass in steps of so many hours; new events get their places."""
    for _ in range(round(hours / step)):
        dispatching.move(hours=step)
        sequencer.run()
        dispatching.settle()


def test_down_for_two_days_then_everything_arrives_in_the_order_of_each_customer(
    dispatching: Dispatching, project: Project
) -> None:
    is_down = True

    def behave(connection: socket.socket) -> None:
        if is_down:
            close(connection)
        else:
            connection.sendall(OK)

    with receiving(behave) as receiver:
        row, _ = endpoint_at(receiver, project, ordering="customer")
        recorded = []
        for day in range(2):
            for number in range(30):
                customer = f"cus_{number % 5}"
                recorded.append(record(project, customer, day * 30 + number + 1))
            pass_time(dispatching, hours=24)
        down = len(receiver.requests)
        row.refresh_from_db()
        assert row.failing_since is not None
        assert row.state == "enabled"
        is_down = False
        pass_time(dispatching, hours=40, step=4)
    arrived = [json.loads(each.body) for each in receiver.requests[down:]]
    assert {each["id"] for each in arrived} >= set(recorded)
    for number in range(5):
        sequences = [each["sequence"] for each in arrived if each["customer"] == f"cus_{number}"]
        assert sequences == list(range(1, 13))
    assert [each for each in recorded_types(project) if each.startswith("webhook_endpoint.")] == [
        "webhook_endpoint.created",
        "webhook_endpoint.failing",
        "webhook_endpoint.failing",
        "webhook_endpoint.recovered",
    ]


def test_disabled_after_five_days_without_a_success(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(close) as receiver:
        row, _ = endpoint_at(receiver, project)
        for day in range(6):
            record(project, "cus_1", day + 1)
            pass_time(dispatching, hours=24, step=2)
    row.refresh_from_db()
    assert (row.state, row.disabled_reason) == ("disabled", "failing")
    types = Counter(recorded_types(project))
    assert types["webhook_endpoint.failing"] == 3
    assert types["webhook_endpoint.disabled"] == 1
    assert row.position < 10


def test_a_backlog_never_passes_the_rate_or_four_requests_in_flight(
    dispatching: Dispatching, project: Project
) -> None:
    clock = dispatching.clock
    clock.seconds = 0.0
    sent: list[float] = []
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project, rate=50)
        for number in range(300):
            record(project, f"cus_{number}", 1)
        sequencer.run()
        while len(sent) < 300:
            clock.seconds += 0.01
            dispatching.move(seconds=0.01)
            dispatching.tick()
            lane = dispatching.dispatcher.lanes.get(row.pk)
            assert lane is None or lane.in_flight <= 4
            sent += [clock.seconds] * (len(receiver.requests) - len(sent))
    for begin in sent:
        # What is in flight arrives later than it was sent.
        assert sum(begin <= each < begin + 1 for each in sent) <= 50 + 4


def test_two_dispatchers_share_the_endpoints_and_send_nothing_twice(
    dispatching: Dispatching, project: Project
) -> None:
    with SenderProcess(LOCAL) as second_sender, receiving() as receiver:
        second = Dispatching.of(second_sender)
        second.at = dispatching.at
        rows = [endpoint_at(receiver, project)[0] for _ in range(6)]
        positions = WebhookEndpoint.objects.for_project(project)
        positions.update(position=max(row.position for row in rows))
        for number in range(40):
            record(project, f"cus_{number}", 1)
        sequencer.run()
        for _ in range(3):
            dispatching.tick()
            second.tick()

        def both_are_done() -> bool:
            second.tick()
            return all(states(row) == [("done", 1)] * 40 for row in rows)

        dispatching.until(both_are_done)
        for _ in range(3):
            dispatching.settle()
            second.settle()
        counts = Counter(header(each, "webhook-id") for each in receiver.requests)
    assert set(counts.values()) == {6}
    assert all(set(states(row)) == {("done", 1)} for row in rows)


def test_a_late_result_of_a_lost_lease_changes_nothing(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.until(lambda: len(receiver.requests) == 1 or bool(states(row)))
        [delivery] = deliveries(row)
        # Another process has sent it meanwhile, and noted that it failed.
        delivery.attempts, delivery.due_at = 1, dispatching.at + timedelta(hours=1)
        delivery.save(update_fields=["attempts", "due_at"])
        dispatching.settle()
    assert states(row) == [("waiting", 1)]


def test_an_attempt_that_cannot_be_stored_holds_up_no_other(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        record(project, "cus_2", 1)
        sequencer.run()
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE delivery_webhookattempt ADD CONSTRAINT refused "
                "CHECK (customer_id <> 'cus_1')"
            )
        dispatching.until(lambda: set(states(row)) == {("done", 1)})
    assert [each.customer_id for each in attempts(row)] == ["cus_2"]
