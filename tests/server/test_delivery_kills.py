"""No acknowledged event is lost, and none is doubled, when processes and connections are killed."""

from pathlib import Path

import pytest
from django.db import connection

from billing.models import SyncObject
from tests.server.retrying_senders import deliver, kill_a_process_of, sending
from tests.server.web_server import web_server
from tests.waiting import wait_until
from webhooks.models import InboundEvent

EVENTS, KILLS = 300, 2
TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stripe")
def test_acknowledged_events_survive_kills_of_processes_and_connections(tmp_path: Path) -> None:
    with (
        web_server(tmp_path / "web.log") as port,
        sending(lambda number: deliver(port, f"evt_{number}"), range(EVENTS)) as acknowledged,
    ):
        for kill in range(1, KILLS + 1):
            wait_until(lambda: len(acknowledged) >= kill * EVENTS // (KILLS + 2))  # noqa: B023
            with connection.cursor() as cursor:
                cursor.execute(TERMINATE)
            kill_a_process_of(port)
    stored = list(InboundEvent.objects.select_related("sync"))
    assert {each.event_id for each in stored} == {f"evt_{number}" for number in acknowledged}
    assert len(stored) == len(acknowledged) == EVENTS
    for each in stored:
        assert each.sync is not None
        assert each.request_number is not None
        assert each.sync.applied < each.request_number <= each.sync.requested
    assert SyncObject.objects.count() == len({each.sync_id for each in stored})
