"""A sender that is killed sends no message twice, and two at once send each message once."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from delivery.mail import planner, sender
from delivery.models import Notification
from projects.models import Customer
from tests.delivery.mail.notices import NOW, credits_low, planned, send, state, turn_on
from tests.delivery.mail.smtp_server import STALL, SmtpServer, replies
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[3]
LEASE = timedelta(minutes=6)
"""Longer than a lease."""


@contextmanager
def sending(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A sender in a process, which is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.delivery.mail.sending_process", str(port)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": _database_url()},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def _database_url() -> str:
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


def kill_while_it_waits(smtp: SmtpServer, stage: str) -> None:
    """Kill a sender whose server says nothing at this stage. The server is well afterwards."""
    smtp.script = replies(**{stage: STALL})
    with sending(smtp.port):
        assert smtp.stalled.wait(PATIENCE)
    smtp.script = replies()


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
def test_killed_before_the_content_it_is_sent_once(
    ada: Customer, smtp: SmtpServer, stage: str
) -> None:
    row = planned(ada)
    kill_while_it_waits(smtp, stage)
    assert state(row) == ("planned", "")
    assert send() == 0, "its lease has not ended"
    assert send(after=LEASE) == 1
    assert state(row) == ("sent", "")
    assert len(smtp.messages) == 1


def test_killed_at_the_content_nobody_knows_and_it_is_not_sent_again(
    ada: Customer, smtp: SmtpServer
) -> None:
    row = planned(ada)
    kill_while_it_waits(smtp, "data")
    assert state(row) == ("sending", "")
    assert (send(), send(after=LEASE), send(after=2 * LEASE)) == (0, 0, 0)
    assert state(row) == ("unknown", "process_ended")
    assert smtp.messages == []


def test_killed_after_the_content_the_server_has_it_once(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)
    kill_while_it_waits(smtp, "end")
    assert (send(after=LEASE), send(after=2 * LEASE)) == (0, 0)
    assert state(row) == ("unknown", "process_ended")
    assert len(smtp.messages) == 1


def test_two_senders_at_once_send_each_message_once(ada: Customer, smtp: SmtpServer) -> None:
    turn_on(ada.project)
    for balance in range(10):
        credits_low(ada, balance)
    planner.run(at=NOW)
    barrier = threading.Barrier(2)
    counts: list[int] = []

    def run() -> None:
        try:
            barrier.wait(PATIENCE)
            counts.append(sender.run(at=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sum(counts) == len(smtp.messages) == 10
    assert Notification.objects.for_project(ada.project).filter(state="sent").count() == 10


def test_a_sender_whose_lease_was_taken_sends_nothing(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)

    def answer(stage: str) -> str | None:
        if stage == "rcpt":
            Notification.objects.for_project(ada.project).filter(pk=row.pk).update(lease="other")
            connection.close()
        return replies()(stage)

    smtp.script = answer
    assert send() == 0
    assert smtp.messages == []
