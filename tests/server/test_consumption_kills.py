"""No acknowledged use is lost, and none is counted twice, when processes and connections are
killed while uses share commits."""

from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum

from projects.models import Project
from tests.server.metered_project import key_with_limit
from tests.server.retrying_senders import consume, kill_a_process_of, sending
from tests.server.test_delivery_kills import TERMINATE
from tests.server.web_server import web_server
from tests.waiting import wait_until
from usage.models import Counter, RecordKey, Total

USES, KILLS = 400, 2
LARGEST_SQL = "SELECT max(n) FROM (SELECT count(*) AS n FROM usage_recordkey GROUP BY xmin::text) t"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("stripe")
def test_acknowledged_uses_are_counted_once_when_processes_and_connections_are_killed(
    tmp_path: Path, project: Project
) -> None:
    api_key = key_with_limit(project, limit=10 * USES)
    with (
        web_server(tmp_path / "web.log") as port,
        sending(lambda number: consume(port, api_key, f"use-{number}"), range(USES)) as counted,
    ):
        for kill in range(1, KILLS + 1):
            wait_until(lambda: len(counted) >= kill * USES // (KILLS + 2))  # noqa: B023
            with connection.cursor() as cursor:
                cursor.execute(TERMINATE)
            kill_a_process_of(port)
    assert len(counted) == USES
    assert RecordKey.objects.for_project(project).count() == USES
    assert Counter.objects.for_project(project).aggregate(n=Sum("used"))["n"] == USES
    assert Total.objects.for_project(project).aggregate(n=Sum("sum"))["n"] == USES
    with connection.cursor() as cursor:
        cursor.execute(LARGEST_SQL)
        assert cursor.fetchone()[0] > 1, "No uses shared a commit."
