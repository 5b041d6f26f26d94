"""No acknowledged event is lost, and none is doubled, when processes and connections are killed."""

import itertools
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import psutil
import pytest
from django.conf import settings
from django.db import connection

from billing.models import SyncObject
from tests.server.web_server import request, web_server
from tests.waiting import wait_until
from tests.webhooks.stripe_post import PATH, event, sign
from webhooks.models import InboundEvent

SENDERS, EVENTS, OBJECTS, KILLS = 12, 25, 20, 2
TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def deliver(port: int, event_id: str) -> None:
    """Send an event as Stripe does: again after any answer but 200, and after none."""
    body = orjson.dumps(event(id=event_id, object_id=f"prod_{hash(event_id) % OBJECTS}"))
    for _ in itertools.count():
        signature = sign(body, settings.BILLING.stripe_webhook_secrets[0])
        try:
            if request(port, "POST", PATH, body, Stripe_Signature=signature).status == 200:
                return
        except (OSError, IndexError):  # the server's process was killed
            continue


def kill_a_process_of(port: int) -> None:
    """Kill one of the server's processes that accept connections."""
    (server,) = (child for child in psutil.Process().children() if str(port) in child.cmdline())
    listening = [process for process in server.children() if _accepts(process, port)]
    os.kill(random.choice(listening).pid, signal.SIGKILL)


def _accepts(process: psutil.Process, port: int) -> bool:
    """False for a process that ends just now: the one that was killed before."""
    try:
        return any(each.laddr.port == port for each in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stripe")
def test_acknowledged_events_survive_kills_of_processes_and_connections(tmp_path: Path) -> None:
    acknowledged: list[str] = []

    def send(sender: int) -> None:
        for number in range(EVENTS):
            event_id = f"evt_{sender}_{number}"
            deliver(port, event_id)
            acknowledged.append(event_id)

    with web_server(tmp_path / "web.log") as port, ThreadPoolExecutor(SENDERS) as senders:
        running = [senders.submit(send, sender) for sender in range(SENDERS)]
        for kill in range(1, KILLS + 1):
            wait_until(lambda: len(acknowledged) >= kill * SENDERS * EVENTS // (KILLS + 2))  # noqa: B023
            with connection.cursor() as cursor:
                cursor.execute(TERMINATE)
            kill_a_process_of(port)
        for sender in running:
            sender.result()
    stored = list(InboundEvent.objects.select_related("sync"))
    assert sorted(each.event_id for each in stored) == sorted(acknowledged)
    assert len(acknowledged) == SENDERS * EVENTS
    for each in stored:
        assert each.sync is not None
        assert each.request_number is not None
        assert each.sync.applied < each.request_number <= each.sync.requested
    assert SyncObject.objects.count() == len({each.sync_id for each in stored})
