from collections.abc import Iterator
from typing import Any

import pytest

from delivery.conf import TemporalSettings
from delivery.signals import planner
from projects.models import Project
from tests.delivery.signals.payments import NOW
from tests.delivery.signals.temporal_server import TemporalServer, open_server


@pytest.fixture
def temporal(settings: Any, project: Project, other_project: Project) -> Iterator[TemporalServer]:
    """A Temporal server, with a namespace for each of both projects. The planner has begun."""
    server = open_server()
    settings.TEMPORAL = TemporalSettings(address=server.address)
    for row, namespace in ((project, "acme"), (other_project, "umbrella")):
        row.workflow_namespace = namespace
        row.save(update_fields=["workflow_namespace"])
    planner.run(at=NOW)
    yield server
    server.close()
