"""Dispatchers that are killed, as processes of their own: every event arrives, in the order of its
customer, and repetitions have the same id and the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection

from common.conf import EgressSettings
from delivery.models import WebhookEndpoint
from events.log import sequencer
from projects.models import Project
from tests.delivery.bus.bus_process import no_writes
from tests.delivery.sender.receivers import ReceivedRequest, Receiver, receiving
from tests.delivery.webhooks.dispatching import endpoint_at, header, states
from tests.events.log.recording import record
from tests.services import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = 4
"""``tests/chaos/kills/test_webhooks.py`` kills more often."""


@contextmanager
def dispatcher() -> Iterator["subprocess.Popen[bytes]"]:
    """``manage.py deliver``, killed at the end of the block at the latest."""
    at = connection.settings_dict
    database = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "deliver"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database, "EGRESS_LOOPBACK": "true"},
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def has_more_requests(receiver: Receiver, count: int) -> bool:
    return len(receiver.requests) > count


def end_leases() -> None:
    """As if the time of the leases had passed."""
    WebhookEndpoint.objects.across_projects().update(leased_until=None)


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.EGRESS = EgressSettings(loopback=True)


def test_killed_between_the_answer_and_the_note(project: Project) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        event_id = record(project, "cus_1", 1)
        sequencer.run()
        with no_writes("delivery_webhookattempt"), dispatcher():
            wait_until(lambda: len(receiver.requests) == 1)
        assert states(row) == [("waiting", 0)]
        end_leases()
        with dispatcher() as second:
            wait_until(lambda: states(row) == [("done", 1)])
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0
    first, again = receiver.requests
    assert header(first, "webhook-id") == header(again, "webhook-id") == event_id
    assert first.body == again.body
    row.refresh_from_db()
    assert row.leased_until is None  # a process that is asked to end gives its lanes back


def test_killed_at_any_time(project: Project) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project, ordering="customer")
        recorded: list[str] = []
        for kill in range(KILLS):
            with dispatcher():
                for number in range(40):
                    recorded.append(record(project, f"cus_{number % 4}", kill * 40 + number + 1))
                    sequencer.run()
                wait_until(partial(has_more_requests, receiver, kill * 20))
                time.sleep(0.05 * (kill % 3))
            end_leases()
        with dispatcher():
            wait_until(lambda: {state for state, _ in states(row)} == {"done"})
            wait_until(lambda: len(states(row)) == len(recorded))
    assert {header(each, "webhook-id") for each in receiver.requests} == set(recorded)
    assert_order(receiver.requests)


def assert_order(requests: list[ReceivedRequest]) -> None:
    """Whoever ignores ids that it has seen sees each customer's events in order."""
    bodies: dict[str, bytes] = {}
    sequences: dict[str, list[int]] = defaultdict(list)
    for request in requests:
        event_id = header(request, "webhook-id")
        assert bodies.setdefault(event_id, request.body) == request.body
        if bodies[event_id] is request.body:
            body = json.loads(request.body)
            sequences[body["customer"]].append(body["sequence"])
    for numbers in sequences.values():
        assert numbers == sorted(numbers)
